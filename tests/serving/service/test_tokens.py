import pytest

from encas.errors import ServingError
from encas.serving.protocol.protocol import Refusal
from encas.serving.service.tokens import MIN_LENGTH, BearerToken

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}".encode()])
def test_token_lets_its_owner_pass(header):
    BearerToken(TOKEN).check(header)


@pytest.mark.parametrize(
    "header", [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00fc", b"Bearer "]
)
def test_token_keeps_others_out(header):
    with pytest.raises(Refusal, match="bearer token"):
        BearerToken(TOKEN).check(header)


@pytest.mark.parametrize("token", ["short", "a" * 15, "with a space inside", "\u00fc" * 20])
def test_token_that_is_weak_or_no_header_is_refused(token):
    with pytest.raises(ServingError, match="16 or more ASCII characters"):
        BearerToken(token)


def test_token_of_just_enough_characters_is_taken():
    BearerToken("a" * MIN_LENGTH).check(b"Bearer " + b"a" * MIN_LENGTH)
    with pytest.raises(ServingError, match="got 15; make one with: openssl rand -hex 32"):
        BearerToken("a" * (MIN_LENGTH - 1))


@pytest.mark.parametrize("end", ["\t", "\n", "\x7f"])
def test_token_with_a_character_that_no_header_has_is_refused(end):
    with pytest.raises(ServingError, match="bearer token: a token needs 16 or more"):
        BearerToken(TOKEN + end)


def test_refusal_asks_for_a_token():
    with pytest.raises(Refusal) as refused:
        BearerToken(TOKEN).check(None)
    assert (refused.value.kind, refused.value.message) == (
        "unauthenticated",
        "a bearer token is needed",
    )


def test_token_is_read_from_a_file_without_the_space_around_it(tmp_path):
    (tmp_path / "token").write_text(f" {TOKEN}\n")
    BearerToken.read(tmp_path / "token").check(f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "token: cannot read the token: .*No such file"),
        (b"\xc3\xbc" * 20, "token: cannot read the token: .*ascii"),
        (b"", "a token needs 16 or more ASCII characters without spaces, got 0"),
    ],
)
def test_file_without_a_token_is_refused(tmp_path, content, fault):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(ServingError, match=fault):
        BearerToken.read(tmp_path / "token")
