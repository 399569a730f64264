"""Reports from files, by the function and by the command."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from encas.errors import FrontError, PoolError
from encas.reports.report_writing import report


@pytest.fixture
def files(front, latency_front, tiny_pool, profile, manifest, tmp_path):
    front.save(tmp_path / "front.json")
    latency_front.save(tmp_path / "front_latency.json")
    tiny_pool.save(tmp_path / "pool")
    profile.save(tmp_path / "profile.json")
    manifest.save(tmp_path / "bundle")
    return tmp_path


def test_report_with_every_file_makes_a_page(files):
    report(
        files / "front.json",
        files / "front_latency.json",
        out=files / "report.html",
        pools=[files / "pool"],
        bundles=[files / "bundle"],
        profile=files / "profile.json",
    )
    page = (files / "report.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Predicted against measured latency" in page


def test_report_of_values_is_that_of_their_files(files, front, latency_front, tiny_pool, profile):
    given = {"bundles": [str(files / "bundle")], "profile": profile}
    said = report(front, latency_front, out=str(files / "a.html"), pools=[tiny_pool], **given)
    report(str(files / "front.json"), files / "front_latency.json", out=files / "b.html",
           pools=[str(files / "pool")], bundles=[files / "bundle"],
           profile=files / "profile.json")  # fmt: skip
    assert (files / "a.html").read_text() == (files / "b.html").read_text()
    assert said.baseline is not None


def test_report_of_nothing_or_nonsense_is_refused(files, front):
    with pytest.raises(FrontError, match="give at least one front"):
        report(out=files / "r.html")
    with pytest.raises(FrontError, match="expected a Front or the path of one, got dict"):
        report({}, out=files / "r.html")
    with pytest.raises(PoolError, match="expected a Pool or the path of one, got ndarray"):
        report(front, out=files / "r.html", pools=[front.points])


def test_report_as_svg_makes_a_picture_with_its_own_style(files):
    report(files / "front.json", out=files / "front.svg")
    root = ElementTree.parse(files / "front.svg").getroot()
    assert root.find("{http://www.w3.org/2000/svg}style") is not None


def test_report_under_another_ending_is_refused(files):
    with pytest.raises(FrontError, match=r"ends with .html or .svg, got 'report.docx'"):
        report(files / "front.json", out=files / "report.docx")


def test_report_of_other_classes_is_refused_and_of_fewer_names_said(files, front, tmp_path):
    def named(*names):
        return replace(front, pool=replace(front.pool, classes=names))

    with pytest.raises(FrontError, match="have other classes"):
        report(named("a", "b", "c"), named("a", "b", "d"), out=files / "r.html")
    notes = []
    pools = (files / "pool",)
    report(named("a", "b", "c"), out=files / "r.html", pools=pools, on_note=notes.append)
    assert notes[0].endswith("states no class names: its classes are taken in the order of "
                             f"the front's pool {front.pool.name}")  # fmt: skip


def test_command_writes_a_report(encas, files):
    ran = encas(
        "report", files / "front.json", "--pool", files / "pool", "--bundle", files / "bundle",
        "--profile", files / "profile.json", "--out", files / "r.html", "--json",
    )  # fmt: skip
    assert ran.json == {"path": str(files / "r.html")}
    assert (files / "r.html").is_file()


def test_command_without_fronts_is_wrong_usage(encas, tmp_path):
    assert encas("report", "--out", tmp_path / "r.html").code == 2


def test_command_of_a_missing_front_is_one_line(encas, tmp_path):
    ran = encas("report", tmp_path / "none.json", "--out", tmp_path / "r.html")
    assert ran.code == 1
    assert ran.err == f"Error: {tmp_path / 'none.json'}: no such file\n"
