"""Addresses of local engines in the environment: one, several replicas, or a bare host."""

from pathlib import Path

import pytest

from tollway.settings import SettingsError, Vendor, load

VENDORS = (
    Vendor("vllm", "VLLM_API_KEY", "VLLM_BASE_URL", needs_key=False),
    Vendor("ollama", "", "OLLAMA_BASE_URL", needs_key=False, host_env="OLLAMA_HOST", host_port=11434),
)


def channels(tmp_path: Path, file: str = "", **environ: str) -> dict[str, str]:
    (tmp_path / "tollway.toml").write_text(file)
    return {one.id: one.base_url for one in load(environ, {}, VENDORS, tmp_path).channels}


def test_several_addresses_are_several_channels(tmp_path: Path) -> None:
    listed = "http://a:8000/v1/, http://b:8000/v1,http://c"
    assert channels(tmp_path, VLLM_BASE_URL=listed) == {
        "vllm": "http://a:8000/v1",
        "vllm-2": "http://b:8000/v1",
        "vllm-3": "http://c",
    }


def test_replicas_share_the_key(tmp_path: Path) -> None:
    environ = {"VLLM_BASE_URL": "http://a,http://b", "VLLM_API_KEY": "k"}
    assert [one.key for one in load(environ, {}, VENDORS, tmp_path).channels] == ["k", "k"]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("gpu", "http://gpu:11434"),
        ("gpu:9", "http://gpu:9"),
        (":9", "http://127.0.0.1:9"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9", "http://127.0.0.1:9"),
        ("[::]:9", "http://127.0.0.1:9"),
        ("[fe80::1]", "http://[fe80::1]:11434"),
        ("http://gpu", "http://gpu:80"),
        ("https://gpu", "https://gpu:443"),
        ("https://gpu:9/behind/", "https://gpu:9/behind"),
    ],
)
def test_a_host_is_an_address_as_ollama_itself_reads_it(tmp_path: Path, host: str, address: str) -> None:
    assert channels(tmp_path, OLLAMA_HOST=host) == {"ollama": address}


def test_a_base_url_comes_before_a_host(tmp_path: Path) -> None:
    assert channels(tmp_path, OLLAMA_HOST="gpu", OLLAMA_BASE_URL="http://b/v1") == {"ollama": "http://b/v1"}


def test_a_stated_channel_may_leave_its_address_to_the_environment(tmp_path: Path) -> None:
    file = '[[channels]]\nid = "mine"\nprovider = "ollama"'
    assert channels(tmp_path, file, OLLAMA_HOST="gpu") == {"mine": "http://gpu:11434"}


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("VLLM_BASE_URL", "http://a,ftp://b", "VLLM_BASE_URL: must be http"),
        ("VLLM_BASE_URL", "http://a, http://a", "VLLM_BASE_URL: names one address of vllm twice"),
        ("OLLAMA_HOST", "gpu:port", "OLLAMA_HOST: is not a URL"),
        ("OLLAMA_HOST", "ftp://gpu", "OLLAMA_HOST: must be http"),
    ],
)
def test_a_wrong_address_is_named(tmp_path: Path, variable: str, text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        channels(tmp_path, **{variable: text})
