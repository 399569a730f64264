import inspect
from importlib import import_module

from encas.commands.command_table import ALONE, NOUNS, SHORT


def test_short_forms_name_commands_that_are_there():
    assert all(verb in NOUNS[noun].verbs for noun, verb in SHORT.values())


def test_default_verb_is_a_verb_of_its_noun():
    assert all(noun.default is None or noun.default in noun.verbs for noun in NOUNS.values())


def test_words_that_scripts_rely_on_are_there():
    documented = {
        "demo", "search", "select", "export", "verify", "run", "profile", "bench", "triton",
        "serve", "report", "doctor",
    }  # fmt: skip
    assert documented <= {*SHORT, *ALONE}
    assert {"import", "build", "show", "export"} <= set(NOUNS["pool"].verbs)
    assert {"show", "evaluate"} <= set(NOUNS["front"].verbs)


def test_texts_are_sentences():
    entries = [entry for noun in NOUNS.values() for entry in noun.verbs.values()]
    texts = [entry.text for entry in (*entries, *ALONE.values())]
    assert all(text[0].isupper() and text.endswith(".") for text in texts)


# They are done at once, or say in a log of their own what they do.
AT_ONCE = {"front show", "server serve", "bundle serve"}


def test_every_command_that_may_take_long_says_what_it_does():
    commands = {
        f"{noun} {verb}": entry
        for noun, verbs in NOUNS.items()
        for verb, entry in verbs.verbs.items()
    } | dict(ALONE)
    silent = set()
    for name, entry in commands.items():
        module = import_module(f"encas.commands.{entry.module}")
        source = inspect.getsource(getattr(module, entry.attribute).callback)
        if "shown_progress(" not in source and "run_and_show(" not in source:
            silent.add(name)
    assert silent <= AT_ONCE
