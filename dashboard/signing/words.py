"""What a page outside Streamlit says -> HTML without scripts, in Sextant's look, light and dark."""

import base64
import hashlib
from html import escape

STYLE = """
@font-face {font-family: Inter; src: url(/app/static/inter.woff2) format("woff2"); font-weight: 100 900}
:root {color-scheme: light dark; --ground: #fff; --card: #fff; --edge: #D5DBE5; --ink: #0F172A; --soft: #4B5563;
  --field: #F3F5F9; --blue: #0B5FA5; --on: #fff; --bad: #A3121F; --badground: #FBDDE0}
@media (prefers-color-scheme: dark) {:root {--ground: #0D131A; --card: #121A24; --edge: #2B3644; --ink: #E8EDF4;
  --soft: #B4BECB; --field: #182230; --blue: #5AB0F2; --on: #08121C; --bad: #FF9AA5; --badground: #4A1720}}
* {box-sizing: border-box}
body {margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center; padding: 1rem;
  background: var(--ground); color: var(--ink); font: 15px/1.5 Inter, system-ui, sans-serif}
main {width: 100%; max-width: 23rem; padding: 2rem; background: var(--card); border: 1px solid var(--edge);
  border-radius: 12px}
img {display: block; width: 40px; height: 40px; margin-bottom: 1rem}
h1 {font-size: 1.35rem; font-weight: 650; line-height: 1.25; margin: 0 0 .35rem}
p {margin: 0 0 1.1rem; color: var(--soft)}
label {display: block; font-weight: 550; font-size: .87rem; margin: 0 0 .3rem}
input {width: 100%; margin: 0 0 1rem; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--field);
  border: 1px solid var(--edge); border-radius: 8px}
button, .button {display: block; width: 100%; padding: .65rem .9rem; font: inherit; font-weight: 600; cursor: pointer;
  text-align: center; text-decoration: none; color: var(--on); background: var(--blue); border: 1px solid var(--blue);
  border-radius: 8px; margin: .4rem 0 0}
.quiet {color: var(--ink); background: transparent; border-color: var(--edge)}
:focus-visible {outline: 3px solid var(--blue); outline-offset: 2px}
.bad {color: var(--bad); background: var(--badground); border-radius: 8px; padding: .55rem .7rem; margin: 0 0 1rem}
.note {margin: 1.2rem 0 0; font-size: .84rem}
a {color: var(--blue)}
"""
HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{HASH}'; font-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def page(title: str, body: str, *, head: str = "") -> str:
    """A whole page; `title` is text, `body` and `head` are HTML."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · Sextant</title><link rel="icon" href="/app/static/icon.png">{head}'
        f'<style>{STYLE}</style></head><body><main><img src="/app/static/icon.png" alt="">'
        f"<h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def sign_in(token: str, following: str, *, name: str = "", error: str = "") -> str:
    """The form for name and password."""
    complaint = f'<div class="bad" role="alert">{escape(error)}</div>' if error else ""
    focus = ("", " autofocus") if name else (" autofocus", "")
    body = (
        f"<p>Sign in to see and to act.</p>{complaint}"
        '<form method="post" action="/sign-in">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        f'<input type="hidden" name="next" value="{escape(following)}">'
        '<label for="name">Name</label><input id="name" name="name" autocomplete="username" autocapitalize="none" '
        f'spellcheck="false" maxlength="64" required value="{escape(name)}"{focus[0]}>'
        '<label for="password">Password</label><input id="password" name="password" type="password" '
        f'autocomplete="current-password" maxlength="1024" required{focus[1]}><button>Sign in</button></form>'
        '<p class="note">Forgotten it? Whoever runs this Sextant can set another.</p>'
    )
    return page("Sign in", body)


def sign_in_elsewhere(following: str, *, error: str = "") -> str:
    """The way to the identity provider; `following` is a whole, quoted query."""
    complaint = f'<div class="bad" role="alert">{escape(error)}</div>' if error else ""
    link = f'<a class="button" href="/sign-in/go?{escape(following)}">Sign in with your organisation</a>'
    return page("Sign in", f"<p>Your organisation says who you are.</p>{complaint}{link}")


def sign_out(token: str, name: str) -> str:
    """The question whether to sign out here or everywhere."""
    return page(
        "Sign out?",
        f"<p>You are signed in as {escape(name)}.</p>"
        '<form method="post" action="/sign-out">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        "<button>Sign out</button>"
        '<button class="quiet" name="everywhere" value="yes">Sign out everywhere</button>'
        '<a class="button quiet" href="/">Stay signed in</a></form>',
    )


def said(title: str, words: str, *, link: tuple[str, str] | None = None) -> str:
    """A page that says one thing; `link` is where it leads and what that is called."""
    more = f'<a class="button" href="{escape(link[0])}">{escape(link[1])}</a>' if link else ""
    return page(title, f"<p>{escape(words)}</p>{more}")


def again(path: str) -> str:
    """A page that asks for `path` once more, from here: a link from elsewhere arrives without the session's cookie."""
    head = f'<meta http-equiv="refresh" content="0;url={escape(path)}">'
    return page("One moment", f'<p><a href="{escape(path)}">Go on to Sextant</a></p>', head=head)
