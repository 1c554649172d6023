"""Sign-in at an identity provider: a real one over HTTP, the browser's way there and back, and every wrong token."""

import re
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import RSAKey

from dashboard.signing import oidc
from pipeline.errors import ConfigError
from pipeline.settings import ROOT, Settings
from pipeline.warehouse import Warehouse
from tests import filler
from tests.served import NOW
from tests.servers.oidc import CLIENT, SECRET, Provider, providing
from tests.visitors import PAGE, Answer, Visitor, serving

ACCESS = '\n[access]\nadmin = ["ana@example.org"]\nviewer = ["vera@example.org"]\n[access.groups]\ndesk = "operator"\n'


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as found:
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oidc")


@pytest.fixture(scope="module")
def port(provider: Provider, place: Path) -> Iterator[int]:
    folder = place
    filler.fill(folder / "w.duckdb", NOW)
    config = folder / "sextant.toml"
    config.write_text((ROOT / "sextant.toml").read_text(encoding="utf-8") + ACCESS, encoding="utf-8")
    env = {
        "SEXTANT_AUTH": "oidc",
        "SEXTANT_CONFIG": str(config),
        "SEXTANT_OIDC_ISSUER": provider.url,
        "SEXTANT_OIDC_CLIENT_ID": CLIENT,
        "SEXTANT_OIDC_CLIENT_SECRET": SECRET,
    }
    with serving(folder / "w.duckdb", folder / "log", **env) as found:
        yield found


@pytest.fixture
def visitor(port: int, provider: Provider) -> Visitor:
    provider.email, provider.claims, provider.published = "ana@example.org", {}, None
    provider.now = int(time.time())
    return Visitor(port)


def asked_at(url: str) -> str:
    """Where the provider sends the browser back to, as path and query."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        back = urlsplit(connection.getresponse().headers["Location"] or "")
    finally:
        connection.close()
    return f"{back.path}?{back.query}"


def there_and_back(visitor: Visitor, following: str = "/") -> Answer:
    return visitor.get(asked_at(visitor.get(f"/sign-in/go?next={following}").headers["Location"] or ""))


def test_who_the_provider_vouches_for_and_has_a_role_comes_in(visitor: Visitor) -> None:
    assert visitor.get("/models", **PAGE).headers["Location"] == "/sign-in?next=%2Fmodels"
    assert "/sign-in/go?next=%2Fmodels" in visitor.get("/sign-in?next=%2Fmodels").text
    answer = there_and_back(visitor, "%2Fmodels")
    assert answer.status == 200
    assert 'content="0;url=/models"' in answer.text
    assert visitor.get("/models", **PAGE).status == 200
    assert visitor.get("/_stcore/metrics").status == 200
    assert "ana@example.org" in visitor.get("/sign-out").text


@pytest.mark.parametrize(
    ("email", "claims", "metrics"), [("Vera@Example.org", {}, 403), ("new@example.org", {"groups": ["desk"]}, 403)]
)
def test_roles_come_from_addresses_and_groups(
    visitor: Visitor, provider: Provider, email: str, claims: dict[str, object], metrics: int
) -> None:
    provider.email, provider.claims = email, claims
    assert there_and_back(visitor).status == 200
    assert (visitor.get("/", **PAGE).status, visitor.get("/_stcore/metrics").status) == (200, metrics)


def test_whom_nobody_gave_a_role_is_told_so(visitor: Visitor, provider: Provider) -> None:
    provider.email = "eve@example.org"
    answer = there_and_back(visitor)
    assert answer.status == 403
    assert "eve@example.org has no role here" in answer.text
    assert "sextant_session" not in visitor.cookies


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"iss": "http://evil.example.org"},
        {"nonce": "of another flow"},
        {"exp": 1},
        {"iat": 9_999_999_999},
        {"iat": 1_000_000_000},
        {"nbf": 9_999_999_999},
        {"azp": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": 0},
        {"email_verified": 1},
        {"email_verified": None},
        {"email": None},
        {"email": "[[a]](//evil.example.org)@x", "groups": ["desk"]},
        {"email": "ana@example.org ", "groups": ["desk"]},
        {"email": "a\nERROR forged: by me@example.org", "groups": ["desk"]},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_opens_nothing(
    visitor: Visitor, provider: Provider, claims: dict[str, object]
) -> None:
    provider.claims = claims
    assert there_and_back(visitor).status == 403
    assert "sextant_session" not in visitor.cookies


@pytest.mark.parametrize(
    "claims", [{"email_verified": "true"}, {"aud": [CLIENT]}, {"aud": [CLIENT, "another"], "azp": CLIENT}], ids=str
)
def test_what_providers_also_send_is_good(visitor: Visitor, provider: Provider, claims: dict[str, object]) -> None:
    provider.claims = claims
    assert there_and_back(visitor).status == 200


def test_why_a_sign_in_failed_is_in_the_log_and_in_the_audit(visitor: Visitor, provider: Provider, place: Path) -> None:
    provider.claims = {"azp": "another"}
    there_and_back(visitor)
    visitor.get("/sign-in/back?state=x&code=y")
    back = asked_at(visitor.get("/sign-in/go").headers["Location"] or "")
    visitor.get(re.sub("code=[^&]+", "error=access_denied", back))
    told = (place / "log").read_text(encoding="utf-8")
    assert "ValueError: the token was made for another party" in told
    assert "back from the provider without having gone there" in told
    assert "the provider says 'access_denied'" in told
    assert SECRET not in told
    with Warehouse(place / "w.duckdb", wait_s=20).read() as session:
        rows = session._cursor.sql("SELECT * FROM audit WHERE action = 'sign_in'").to_arrow_table().to_pandas()
    denied = rows[rows["outcome"] == "denied"]
    assert 1 <= len(denied) <= 2
    assert set(rows[rows["outcome"] == "ok"]["actor"]) >= {"ana@example.org"}


def test_an_address_the_provider_says_nothing_about_is_good_where_that_is_set() -> None:
    settings = Settings.load({"SEXTANT_OIDC_TRUST_EMAIL": "yes"})
    assert settings.auth.trust_email
    told = {"email": "Ana@example.org", "groups": ["a", 1]}
    assert oidc._told(told, "groups", trusted=True) == ("ana@example.org", ("a", "1"))
    for trusted, more in ((False, {}), (True, {"email_verified": False}), (True, {"email_verified": None})):
        with pytest.raises(oidc.Unconfirmed):
            oidc._told(told | more, "groups", trusted=trusted)


def test_a_provider_has_to_call_itself_what_it_is_called_here_and_is_asked_once_in_a_while() -> None:
    with providing() as found:
        port = urlsplit(found.url).port
        metadata = f"http://localhost:{port}/.well-known/openid-configuration"
        with pytest.raises(ValueError, match="calls itself"):
            oidc._metadata(oidc.Provider(metadata, CLIENT, SECRET, issuer=f"http://localhost:{port}"))
        good = oidc.Provider(f"{found.url}/.well-known/openid-configuration", CLIENT, SECRET, issuer=found.url)
        first = oidc._metadata(good)
    assert oidc._metadata(good) is first


def test_a_token_signed_by_somebody_else_opens_nothing(visitor: Visitor, provider: Provider) -> None:
    provider.published = RSAKey.generate_key(2048, {"kid": "one"})
    assert there_and_back(visitor).status == 403
    assert "sextant_session" not in visitor.cookies


def test_another_browser_or_a_second_time_is_no_sign_in(visitor: Visitor, port: int) -> None:
    back = asked_at(visitor.get("/sign-in/go").headers["Location"] or "")
    assert Visitor(port).get(back).status == 403
    flow = dict(visitor.cookies)
    assert visitor.get(back).status == 200
    again = Visitor(port, cookies=flow)
    assert again.get(back).status == 403
    assert Visitor(port, cookies={"sextant_flow": "e30.00"}).get(back).status == 403


def test_a_password_is_no_way_in(visitor: Visitor) -> None:
    assert visitor.get("/sign-in").text.count("password") == 0
    answer = visitor.post("/sign-in", {"name": "ana", "password": "x"})
    assert (answer.status, "No passwords here" in answer.text) == (403, True)


def test_the_provider_is_named_by_environment_or_secrets_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SEXTANT_OIDC_ISSUER"):
        oidc.provider(Settings.load({}), tmp_path / "none.toml")
    file = tmp_path / "secrets.toml"
    file.write_text(
        '[auth]\nclient_id = "a"\nclient_secret = "b"\nserver_metadata_url = "https://c"\n', encoding="utf-8"
    )
    found = oidc.provider(Settings.load({}), file)
    assert found == oidc.Provider("https://c", "a", "b")
    assert "'b'" not in repr(found)
    file.write_text(file.read_text(encoding="utf-8").replace("https://c", "http://c"), encoding="utf-8")
    with pytest.raises(ConfigError, match="in the open"):
        oidc.provider(Settings.load({}), file)
    env = {"SEXTANT_OIDC_ISSUER": "https://d/", "SEXTANT_OIDC_CLIENT_ID": "a", "SEXTANT_OIDC_CLIENT_SECRET": "bbbbbbbb"}
    settings = Settings.load(env)
    assert oidc.provider(settings, file).metadata == "https://d/.well-known/openid-configuration"
    assert "bbbbbbbb" in settings.secrets
    assert "bbbbbbbb" not in repr(settings)
