"""Reports from files, by the function and by the command."""

from xml.etree import ElementTree

import pytest

from encas.errors import FrontError
from encas.reports.report_writing import write_report


@pytest.fixture
def files(front, latency_front, tiny_pool, profile, manifest, tmp_path):
    front.save(tmp_path / "front.json")
    latency_front.save(tmp_path / "front_latency.json")
    tiny_pool.save(tmp_path / "pool")
    profile.save(tmp_path / "profile.json")
    manifest.save(tmp_path / "bundle")
    return tmp_path


def test_write_report_with_every_file_makes_a_page(files):
    write_report(
        [files / "front.json", files / "front_latency.json"],
        files / "report.html",
        pools=[files / "pool"],
        bundles=[files / "bundle"],
        profile=files / "profile.json",
    )
    page = (files / "report.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Predicted against measured latency" in page


def test_write_report_as_svg_makes_a_picture_with_its_own_style(files):
    write_report([files / "front.json"], files / "front.svg")
    root = ElementTree.parse(files / "front.svg").getroot()
    assert root.find("{http://www.w3.org/2000/svg}style") is not None


def test_write_report_under_another_ending_is_refused(files):
    with pytest.raises(FrontError, match=r"ends with .html or .svg, got 'report.docx'"):
        write_report([files / "front.json"], files / "report.docx")


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
