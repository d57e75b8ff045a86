"""A mistake in a TOML file is told with its file, line and field."""

from decimal import Decimal

import msgspec
import pytest

from tollway.kit.toml import TomlError, parse, read, show

TEXT = """# a comment
name = "x"          # line 2

[table]             # line 4
plain = 1
"quoted key" = 2
dotted.inner = 3    # line 7
inline = { deep = 4 }

[[rows]]            # line 10
id = 1
[rows.sub]          # line 12
field = 5
[[rows]]            # line 14
id = 2
[[rows.nested]]     # line 16
id = 3
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("name",), 2),
        (("table",), 4),
        (("table", "plain"), 5),
        (("table", "quoted key"), 6),
        (("table", "dotted", "inner"), 7),
        (("table", "inline", "deep"), 8),
        (("rows", 0), 10),
        (("rows", 0, "sub", "field"), 13),
        (("rows", 1, "id"), 15),
        (("rows", 1, "missing"), 14),
        (("rows", 1, "nested", 0, "id"), 17),
        (("nowhere",), 0),
    ],
)
def test_a_sheet_knows_the_line_of_every_value(place, line):
    assert parse(TEXT, "f.toml").line(place) == line


class Row(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    price: Decimal = Decimal(0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("id = 'one'", "f.toml:2: rows[0].id: expected `int`, got `str`"),
        ("price = 1", "f.toml:1: rows[0].id: object missing required field `id`"),
        ("id = 1\nprise = 2", "f.toml:3: rows[0].prise: object contains unknown field `prise`"),
    ],
)
def test_a_wrong_value_is_named(row, message):
    sheet = parse(f"[[rows]]\n{row}\n", "f.toml")
    with pytest.raises(TomlError) as caught:
        sheet.convert(sheet.values["rows"], list[Row], ("rows",))
    assert str(caught.value) == message


def test_numbers_with_a_point_stay_exact():
    sheet = parse("[[rows]]\nid = 1\nprice = 0.1", "f.toml")
    assert sheet.convert(sheet.values["rows"], list[Row])[0].price == Decimal("0.1")


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = [", 2), ("a = 1\n\n= 2", 3)])
def test_what_is_not_toml_is_refused_with_its_line(text, line):
    with pytest.raises(TomlError) as caught:
        parse(text, "f.toml")
    assert (caught.value.file, caught.value.line) == ("f.toml", line)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(TomlError, match=r"nothing.toml: cannot be read"):
        read(tmp_path / "nothing.toml")
    (tmp_path / "latin.toml").write_bytes(b'a = "\xe9"')
    with pytest.raises(TomlError, match=r"latin.toml: cannot be read"):
        read(tmp_path / "latin.toml")


def test_a_sheet_shows_no_values():
    assert "secret" not in repr(parse('key = "secret"', "f.toml"))


def test_a_place_reads_like_a_path():
    assert show(("rows", 1, "price", "input")) == "rows[1].price.input"
