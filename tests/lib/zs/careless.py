# SPDX-License-Identifier: GPL-2.0-or-later
"""What a careless application does, so that a cache in front of it can be poisoned: the part of app.py that
a test of poisoning switches on by a URL's query.

    echo=NAMES    names, with commas, of request fields that the text repeats as saw=VALUE|VALUE, each
                  percent-encoded, "-" if it is not there; the name "body" is the body
    when=NAME~N   status N if the request has that field; NAME may also be "long" (a head of more than 1000
                  bytes), "odd" (a byte above "~" in it), "capital" (an upper-case letter in Host)
    inject=VALUE  a field with that value as it came, line ends included
"""

from urllib.parse import quote

LONG = 1000


def _has(name, sent, head):
    if name == "long":
        return len(head) > LONG
    if name == "odd":
        return any(char > "~" for char in head)
    if name == "capital":
        return sent.get("host", "") != sent.get("host", "").lower()
    return name in sent


def status(want, sent, head):
    """The status of GET and HEAD. `sent` are the request's fields, `head` is the whole head as text."""
    name, _, number = want.get("when", "").partition("~")
    return int(number if number and _has(name, sent, head) else want.get("status", 200))


def words(want, sent, body):
    """What follows in the text's first line."""
    if "echo" not in want:
        return ""
    seen = {**sent, "body": body}
    return " saw=" + "|".join(quote(seen.get(name, "-"), safe="") for name in want["echo"].split(","))


def fields(want):
    return [("X-Injected", want["inject"])] if "inject" in want else []
