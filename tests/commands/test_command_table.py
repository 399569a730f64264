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
