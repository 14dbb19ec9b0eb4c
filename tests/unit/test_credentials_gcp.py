"""Who the caller is to Google Cloud, with and without credentials."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from google_fake import PROJECT
from making import design

from provisioner.errors import Kind, Refused
from provisioner.launch.gcp import Session
from provisioner.targets.gcp.target import GcpPlace, GcpTarget

PLACE = GcpPlace()


class Credentials:
    def __init__(self, fails: Exception | None = None) -> None:
        self.valid, self.token, self._fails = False, "", fails

    def refresh(self, request: object) -> None:
        if self._fails:
            raise self._fails
        self.valid, self.token = True, "ya29.fresh"


def adc(monkeypatch: pytest.MonkeyPatch, credentials: Credentials | Exception, project: str | None = PROJECT) -> None:
    import google.auth

    def default(scopes: object) -> tuple[Credentials, str | None]:
        if isinstance(credentials, Exception):
            raise credentials
        return credentials, project

    monkeypatch.setattr(google.auth, "default", default)


def test_a_session_is_the_callers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    adc(monkeypatch, Credentials())
    opened = PLACE.session("europe-west4")
    assert (opened.project, opened.region) == (PROJECT, "europe-west4")
    decided = design("{version: 1, name: test, groups: {cpu: {nodes: 2}}}", "gcp")
    assert PLACE.configuration(opened, decided) == {"gcp:project": PROJECT, "gcp:region": "us-central1"}


def test_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    for credentials in (DefaultCredentialsError("none found"), Credentials(RefreshError("invalid_grant"))):
        adc(monkeypatch, credentials)
        with pytest.raises(Refused) as caught:
            PLACE.session("us-central1")
        assert caught.value.kind is Kind.AUTH
        assert caught.value.fix == "gcloud auth application-default login"


def test_without_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    adc(monkeypatch, Credentials(), None)
    with pytest.raises(Refused, match="which project") as caught:
        PLACE.session("us-central1")
    assert caught.value.fix == "gcloud config set project PROJECT"
    folder = Path.home() / ".config" / "gcloud"
    (folder / "configurations").mkdir(parents=True)
    (folder / "active_config").write_text("work\n")
    (folder / "configurations" / "config_work").write_text("[core]\nproject = theirs\n[compute]\nregion = europe-west4\n")
    assert PLACE.session("us-central1").project == "theirs"
    assert PLACE.region() == "europe-west4"


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(Refused) as caught:
        PLACE.session("us-central1")
    assert caught.value.fix == "pip install 'burst-hpc[gcp]'"


def test_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert not PLACE.configured()
    assert PLACE.environment(Session(lambda: "")) == {}
    assert PLACE.region() == "us-central1"
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
    assert PLACE.configured()
    assert PLACE.environment(Session(lambda: "")) == {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}


def test_the_target_is_one() -> None:
    assert GcpTarget().name == "gcp"
