"""Name, password and token of ERCOT's public API: kept, renewed, refused and never shown."""

import logging
from collections.abc import Iterator

import pytest

from pipeline.errors import AuthRefused, SchemaChanged
from pipeline.settings import Settings
from pipeline.sources.ercot import SOURCE, Ercot
from pipeline.sources.ercot_login import Tokens
from tests.servers import faults
from tests.servers.ercot import ACCOUNT, LOGIN, ErcotServer
from tests.servers.ercot_store import Store
from tests.test_ercot import DAM, NOW, fetch
from tests.test_ercot import store as store


@pytest.fixture
def server(store: Store) -> Iterator[ErcotServer]:
    with ErcotServer(store, NOW) as running:
        yield running


def test_a_token_serves_all_and_is_renewed_after_a_401(server: ErcotServer) -> None:
    source = Ercot()
    for _ in range(3):
        fetch(server, DAM, source=source)
    server.expire()
    fetch(server, DAM, source=source)
    told = [request.headers["authorization"] for request in server.asked("np4-190-cd")]
    assert told == ["Bearer token-1"] * 4 + ["Bearer token-2"]


@pytest.mark.parametrize(("expires", "minutes"), [("3600", 55), ("7200", 55), ("1200", 15), (1200, 15), (None, 55)])
def test_a_token_is_renewed_five_minutes_before_its_end(server: ErcotServer, expires: object, minutes: int) -> None:
    clock = [0.0]
    source = Ercot(Tokens(lambda: clock[0]))
    server.login_faults.append(faults.edited(lambda doc: doc.update(expires_in=expires)))
    for passed, tokens in ((0, 1), (60 * minutes - 1, 1), (1, 2)):
        clock[0] += passed
        fetch(server, DAM, source=source)
        assert len(server.tokens) == tokens


def refused(server: ErcotServer, **env: str) -> str:
    with pytest.raises(AuthRefused, match=r"^ercot\.dam_hb_west from ercot: .*; check ERCOT_USERNAME") as caught:
        fetch(server, DAM, source=Ercot(), **env)
    return str(caught.value)


def test_a_refused_account_is_named_and_never_shown(server: ErcotServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = [refused(server, ERCOT_PASSWORD="wrong-word"), refused(server, ERCOT_SUBSCRIPTION_KEY="other-key")]
    assert "HTTP 400, access_denied" in told[0]
    server.faults.extend([faults.answering(b'{"message":"bad token-%d and a-key"}' % number, 401) for number in (3, 4)])
    told.append(refused(server))
    server.login_faults.append(faults.answering(b'{"error":"pass-word of ana@example.org is wrong"}', 400))
    told.append(refused(server))
    server.faults.append(faults.firewall)
    with pytest.raises(AuthRefused, match="a firewall blocks this address"):
        fetch(server, DAM, source=Ercot())
    for secret in ("wrong-word", "other-key", "token-", "a-key", "pass-word", "ana@example"):
        assert not any(secret in text for text in (*told, caplog.text))


def test_secrets_do_not_follow_a_redirect_to_another_host(server: ErcotServer, store: Store) -> None:
    with ErcotServer(store, NOW) as other:
        server.faults.append(faults.redirect(f"{other.url}/api/public-reports/elsewhere"))
        server.login_faults.append(faults.redirect(f"{other.url}{LOGIN}"))
        source = Ercot()
        with pytest.raises(SchemaChanged, match="this status is not part of the known format"):
            fetch(server, DAM, source=source)
        assert other.requests == []
        assert len(fetch(server, DAM, source=source)) == 24
        assert other.requests
        for request in other.requests:
            assert not {"authorization", "ocp-apim-subscription-key"} & request.headers.keys()


def test_readiness_needs_a_whole_account() -> None:
    assert SOURCE.ready(Settings.load(ACCOUNT)) is None
    assert "set ERCOT_PASSWORD (" in str(SOURCE.ready(Settings.load(ACCOUNT | {"ERCOT_PASSWORD": ""})))
    broken = SOURCE.ready(Settings.load(ACCOUNT | {"ERCOT_SUBSCRIPTION_KEY": "secret\n"}))
    assert "blanks or characters no key has" in str(broken)
    assert "secret" not in str(broken)


@pytest.mark.parametrize("document", [b"{}", b"[]", b'{"id_token": "two words\\n"}', b'{"id_token": 5}'])
def test_a_token_that_cannot_be_sent_is_a_changed_format(server: ErcotServer, document: bytes) -> None:
    server.login_faults.append(faults.answering(document))
    with pytest.raises(SchemaChanged, match="no `id_token` that can be sent"):
        fetch(server, DAM, source=Ercot())
