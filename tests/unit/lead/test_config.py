"""Settings: precedence, secrets from files, all faults at once, and the page that shows them."""

from pathlib import Path

import pytest

from dialtrace.config import SettingsFaulty, load_settings, settings_page

ROOT = Path(__file__).parents[3]


def test_given_nothing_when_loaded_then_every_setting_has_its_default() -> None:
    settings = load_settings({})
    assert settings.api_listen == ("127.0.0.1", 8080)
    assert settings.recordings_url == str(settings.data_dir / "recordings")


def test_given_file_and_environment_when_loaded_then_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "dialtrace.toml"
    file.write_text('api_listen = "127.0.0.1:1"\nworker_processes = 5\n')
    settings = load_settings({"DIALTRACE_API_LISTEN": "127.0.0.1:2"}, file)
    assert settings.api_listen[1] == 2
    assert settings["DIALTRACE_WORKER_PROCESSES"] == 5


def test_given_a_secret_in_a_file_when_loaded_then_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:p@h/d\n")
    assert load_settings({"DIALTRACE_DATABASE_URL_FILE": str(file)}).database_url == "postgresql://u:p@h/d"


def test_given_several_faults_when_loaded_then_all_are_told_at_once_and_no_secret_is_shown() -> None:
    with pytest.raises(SettingsFaulty) as caught:
        load_settings(
            {
                "DIALTRACE_DATABASE_URL": "mysql://root:hunter2@h/d",
                "DIALTRACE_API_LISTEN": "nowhere",
                "DIALTRACE_WORKER_PROCESSES": "0",
                "DIALTRACE_API_LISTN": "127.0.0.1:1",
            }
        )
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    assert "hunter2" not in text
    assert "DIALTRACE_API_LISTN: unknown setting" in text


def test_given_a_worker_address_that_is_not_loopback_when_loaded_then_it_is_refused() -> None:
    with pytest.raises(SettingsFaulty, match="not loopback"):
        load_settings({"DIALTRACE_WORKER_LISTEN": "192.0.2.1:8040"})


def test_given_an_unknown_key_in_the_file_when_loaded_then_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "dialtrace.toml"
    file.write_text("api_lisen = 1\n")
    with pytest.raises(SettingsFaulty, match="api_lisen"):
        load_settings({}, file)


def test_given_the_settings_table_when_the_page_is_made_then_docs_settings_is_that_page() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page(), "run `make docs`"
