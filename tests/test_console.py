"""What is printed of models, old and new."""

from glissile import console


def test_scores_of_before_there_were_lengths_are_printed(capsys):
    old = {"precision": 0.5, "recall": 0.25, "f": 0.333, "tolerant_f": None, "area_error": -0.5}
    console.print_scores({"stacking_fault": old}, tolerance_px=2)
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["precision", "recall", "F", "F", "(2", "px)", "area", "error", "length", "error"]
    assert line.split() == ["stacking", "fault", "0.500", "0.250", "0.333", "-", "-50.0%", "-"]
    assert max(len(head), len(line)) <= 80


def test_no_sentence_is_no_line(capsys):
    console.print_if_any("")
    console.print_if_any("One.")
    assert capsys.readouterr().out == "One.\n"
