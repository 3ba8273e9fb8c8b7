from string import Formatter

from gesso.storybook.questions import WORDINGS


def test_both_languages_put_the_same_forms_with_the_same_gaps() -> None:
    english, chinese = WORDINGS["en"], WORDINGS["zh"]
    assert list(english) == list(chinese)
    for form in english:
        gaps = {
            frozenset(name for _, name, _, _ in Formatter().parse(wording) if name)
            for wording in (*english[form], *chinese[form])
        }
        assert len(gaps) == 1, form


def test_wordings_differ_and_end_as_sentences() -> None:
    for forms in WORDINGS.values():
        for wordings in forms.values():
            assert len(set(wordings)) == len(wordings)
            assert all(wording[-1] in "?.？。" for wording in wordings)
