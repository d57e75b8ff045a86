"""Prometheus' text format, read line by line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.kit.prometheus import Sample, samples


def read(text: str, *names: str) -> list[Sample]:
    return list(samples(text, names))


def test_the_formats_own_example_is_read() -> None:
    text = r"""# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045
"""
    names = ("http_requests_total", "msdos_file_access_time_seconds", "something_weird")
    assert read(text, *names, "metric_without_timestamp_and_labels") == [
        Sample("http_requests_total", {"method": "post", "code": "200"}, 1027),
        Sample("http_requests_total", {"method": "post", "code": "400"}, 3),
        Sample(
            "msdos_file_access_time_seconds",
            {"path": "C:\\DIR\\FILE.TXT", "error": 'Cannot find file:\n"FILE.TXT"'},
            1.458255915e9,
        ),
        Sample("metric_without_timestamp_and_labels", {}, 12.47),
        Sample("something_weird", {"problem": "division by zero"}, math.inf),
    ]


def test_names_that_only_begin_alike_are_others() -> None:
    text = 'a:running{m="x"} 1\na:running_total 100\na:running_by_reason{r="y"} 7\n# a:running 9\n'
    assert read(text, "a:running") == [Sample("a:running", {"m": "x"}, 1)]


def test_labels_may_hold_braces_commas_and_blanks() -> None:
    assert read('a{ x = "}, y=\\"" , } NaN', "a")[0].labels == {"x": '}, y="'}
    assert math.isnan(read("a NaN", "a")[0].value)


@pytest.mark.parametrize("line", ["a", "a one", "a 1 2 3", "a 1_0", 'a{x="1} 1', "a{x=1} 1", 'a{x="1"', 'a{="1"} 1',
                                  "a 1 soon", 'a{x="1"}', 'a{x="1" y="2"} 1'])  # fmt: skip
def test_what_is_no_sample_is_refused_only_where_it_was_asked_for(line: str) -> None:
    with pytest.raises(ValueError, match="text format: "):
        read(line, "a")
    assert read(line, "b") == []


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True), st.text()), st.floats())
def test_what_is_written_is_read(rubbish: str, labels: dict[str, str], value: float) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    told = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())
    text = f"# {rubbish.splitlines()[0] if rubbish.splitlines() else ''}\nx:y{{{told}}} {value!r}\n".replace("\r", "")
    (sample,) = read(text, "x:y")
    assert sample.labels == {name: text.replace("\r", "") for name, text in labels.items()}
    assert sample.value == value or math.isnan(value)
