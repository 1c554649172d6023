"""Signing in and out by password at a real server: forms, cookies, guesses, and posts from elsewhere."""

from datetime import timedelta

import pytest
from websockets.exceptions import InvalidStatus

from tests.served import NOW, WORD, Served, folder, process, served
from tests.visitors import PAGE, Socket, Visitor

__all__ = ["folder", "process", "served"]


def cookie_of(visitor: Visitor) -> str:
    return visitor.cookies["__Host-sextant_session"]


def test_signing_in_leads_on_and_gives_a_cookie_that_is_hard_to_steal(served: Served) -> None:
    visitor = served.visitor()
    answer = visitor.sign_in("ana", WORD, "/models?target=Demand")
    assert (answer.status, answer.headers["Location"]) == (303, "/models?target=Demand")
    told = (answer.headers["Set-Cookie"] or "").lower()
    assert {"httponly", "path=/", "samesite=strict", "secure"} <= {part.strip() for part in told.split(";")}
    assert "domain" not in told
    assert visitor.get("/", **PAGE).status == 200
    assert visitor.get("/_stcore/metrics").status == 200
    assert served.signed_in("olga").get("/_stcore/metrics").status == 403
    assert served.audit("sign_in").iloc[-1][["actor", "role", "outcome"]].tolist() == ["olga", "operator", "ok"]


@pytest.mark.parametrize(
    "where",
    ["https://evil.example.org/", "//evil.example.org", "/\\evil.example.org", "models", "/a\r\nX: y", "/sign-out"],
)
def test_nobody_is_sent_elsewhere(served: Served, where: str) -> None:
    assert served.visitor(address="10.1.1.2").sign_in("ana", WORD, where).headers["Location"] == "/"


def test_forged_old_and_ended_cookies_open_nothing(served: Served) -> None:
    visitor = served.signed_in()
    secret = cookie_of(visitor)
    forged = served.visitor(cookies={"__Host-sextant_session": secret[:-2] + "xx"})  # type: ignore[arg-type]
    assert forged.get("/").status == 403
    assert served.visitor(cookies={"sextant_session": secret}).get("/").status == 403  # type: ignore[arg-type]
    with pytest.raises(InvalidStatus, match="403"):
        Socket(forged)
    assert served.store.end_all("ana", why="revoked", now=NOW) == 1
    assert visitor.get("/").status == 403
    with pytest.raises(InvalidStatus, match="403"):
        Socket(visitor)


def test_a_session_planted_before_signing_in_is_not_the_one_after(served: Served) -> None:
    attacker = served.signed_in("vera")
    victim = served.visitor(cookies=dict(attacker.cookies), address="10.1.1.3")  # type: ignore[arg-type]
    # Whoever is signed in is not asked again: the form's token is taken from another page.
    token = victim.token("/sign-out")
    assert victim.post("/sign-in", {"token": token, "name": "ana", "password": WORD}).status == 303
    assert cookie_of(victim) != cookie_of(attacker)
    assert attacker.get("/").status == 403


def test_a_post_needs_the_forms_token_and_an_origin_of_its_own(served: Served) -> None:
    visitor = served.visitor(address="10.1.1.4")
    token = visitor.token()
    good = {"token": token, "name": "ana", "password": WORD}
    for form, origin in (
        (good, "https://evil.example.org"),
        (good, "null"),
        (good, ""),
        (good | {"token": ""}, None),
        (good | {"token": "0" * 64}, None),
    ):
        more = {} if origin is None else {"Origin": origin}
        assert visitor.post("/sign-in", form, **more).status == 403
    other = served.visitor(address="10.1.1.4")
    assert other.post("/sign-in", good).status == 403
    assert visitor.post("/sign-in", {"token": token, "x": "y" * 9000}).status == 403
    public = served.visitor(host="sextant.example.org", cookies=visitor.cookies, address="10.1.1.4")  # type: ignore[arg-type]
    assert public.post("/sign-in", good, Origin="http://sextant.example.org").status == 403
    assert public.post("/sign-in", good, Origin="https://sextant.example.org").status == 303


def test_guessing_is_slowed_down_told_once_and_over_after_a_while(served: Served) -> None:
    before = len(served.audit("sign_in"))
    guesser = served.visitor(address="10.2.2.2")
    answers = [guesser.sign_in("olga", f"wrong horse {n}") for n in range(8)]
    assert [one.status for one in answers] == [403] * 5 + [429] * 3
    assert {one.headers["Retry-After"] for one in answers[5:]} == {"4"}
    assert served.visitor(address="10.2.2.3").sign_in("olga", WORD).status == 429
    assert guesser.sign_in("nobody", WORD).status == 429
    told = served.audit("sign_in").iloc[before:]
    assert told[["actor", "outcome"]].values.tolist() == [["olga", "denied"]] * 2
    served.at(NOW + timedelta(seconds=5))
    assert guesser.sign_in("olga", WORD).status == 303


def test_an_unknown_name_is_told_like_a_wrong_password_and_kept_nowhere(served: Served) -> None:
    one = served.visitor(address="10.2.3.1").sign_in("ana", "wrong horse wrong")
    other = served.visitor(address="10.2.3.2").sign_in("my secret phrase", WORD)
    assert (one.status, other.status) == (403, 403)
    assert one.text.count("Name or password is not right.") == other.text.count("Name or password is not right.") == 1
    assert "my secret phrase" not in served.audit("sign_in").to_string()


def test_what_was_typed_is_no_part_of_the_page(served: Served) -> None:
    assert "<script>" not in served.visitor(address="10.2.4.1").sign_in('"><script>', WORD).text


def test_signing_out_ends_the_session_and_everywhere_ends_all(served: Served) -> None:
    one, two, three = (served.signed_in("vera") for _ in range(3))
    assert one.post("/sign-out", {"token": "x"}).status == 403
    assert one.get("/").status == 200
    stolen = served.visitor(cookies=dict(one.cookies))  # type: ignore[arg-type]
    assert one.post("/sign-out", {"token": one.token("/sign-out")}).status == 200
    assert "__Host-sextant_session" not in one.cookies
    assert (stolen.get("/").status, two.get("/").status) == (403, 200)
    two.post("/sign-out", {"token": two.token("/sign-out"), "everywhere": "yes"})
    assert three.get("/").status == 403
    assert served.audit("sign_out")["actor"].tolist() == ["vera", "vera"]
