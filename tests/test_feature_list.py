"""A folder of myapp/ that nobody has listed is noticed, with the line to add."""

from pathlib import Path

from devtools import feature_list

ROOT = Path(__file__).parents[1]


def test_every_feature_is_listed():
    assert feature_list.forgotten(ROOT) == []


def test_feature_that_is_not_listed_is_named_with_the_line_to_add(tmp_path):
    for name in ("orders", "invoices"):
        (tmp_path / "myapp" / name).mkdir(parents=True)
        (tmp_path / "myapp" / name / "__init__.py").touch()
    (tmp_path / "myapp/__pycache__").mkdir()
    (tmp_path / "myapp/__init__.py").write_text('FEATURES = ("orders",)\n')
    assert feature_list.forgotten(tmp_path) == [
        "myapp/invoices is no part of the application: add"
        ' "invoices" to FEATURES in myapp/__init__.py, or remove the folder'
    ]


def test_list_of_this_application_is_read():
    source = (ROOT / "myapp/__init__.py").read_text()
    assert feature_list.listed(source) >= {"accounts", "users", "health"}
