# SPDX-License-Identifier: GPL-2.0-or-later
"""The upstream "Python application": a page from an SQLite query and a Jinja template, as long as the URL says.

/wsgi/SIZE/ID is fresh for ten minutes, /wsgi/no-store/SIZE/ID may not be stored, POST answers with 204. `setup PATH`
makes the database.
"""

import os
import sqlite3
import sys
import threading

import jinja2

PAGES = 10_000
_local = threading.local()

TEMPLATE = jinja2.Environment(autoescape=True).from_string(
    "<h1>{{ page.title }}</h1>{% for row in rows %}<p>{{ row.author }}: {{ row.text|truncate(40) }}</p>{% endfor %}")


def setup(path):
    with sqlite3.connect(path) as base:
        base.executescript("create table page (id integer primary key, title text);"
                           "create table comment (page integer, author text, text text);")
        base.executemany("insert into page values (?, ?)", ((n, f"Page & number {n}") for n in range(PAGES)))
        base.executemany("insert into comment values (?, ?, ?)",
                         ((n % PAGES, f"author {n % 97}", f"comment <{n}> on the page") for n in range(4 * PAGES)))
        base.execute("create index of_page on comment (page)")


def database():
    if not hasattr(_local, "base"):
        _local.base = sqlite3.connect(f"file:{os.environ['BENCH_DATABASE']}?mode=ro", uri=True)
        _local.base.row_factory = sqlite3.Row
    return _local.base


def render(number, size):
    base = database()
    page = base.execute("select * from page where id = ?", (number % PAGES,)).fetchone()
    rows = base.execute("select * from comment where page = ? order by author", (number % PAGES,)).fetchall()
    return TEMPLATE.render(page=page, rows=rows).encode().ljust(size, b"\n")[:size]


def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        start_response("204 No Content", [])
        return []
    *rest, size, number = environ["PATH_INFO"].split("/")
    body = render(int(number), int(size))
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))),
                              ("Cache-Control", "no-store" if "no-store" in rest else "public, max-age=600")])
    return [body]


if __name__ == "__main__":
    setup(sys.argv[1])
