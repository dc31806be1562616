"""The sample web app: the chemical elements, searchable. Run as /srv/app/app.py inside the sample image."""

import csv
import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path

from flask import Flask, abort, jsonify, render_template, request
from waitress import serve

HERE = Path(__file__).resolve().parent

app = Flask(__name__)
lock = threading.Lock()


def load_elements():
    """Reads elements.csv into a database in memory."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.execute("create table element (number integer primary key, symbol text unique, name text)")
    with open(HERE / "elements.csv", newline="", encoding="utf-8") as file:
        rows = [(row["number"], row["symbol"], row["name"]) for row in csv.DictReader(file)]
    database.executemany("insert into element values (?, ?, ?)", rows)
    return database


database = load_elements()


def query(sql, *parameters):
    with lock:
        return database.execute(sql, parameters).fetchall()


@app.get("/")
def index():
    pattern = f"%{request.args.get('q', '')}%"
    elements = query("select * from element where name like ? or symbol like ? order by number", pattern, pattern)
    return render_template("index.html", elements=elements, q=request.args.get("q", ""))


@app.get("/elements/<symbol>")
def element(symbol):
    rows = query("select * from element where symbol = ?", symbol)
    if not rows:
        abort(404)
    return jsonify(dict(rows[0]))


if __name__ == "__main__":
    # As process 1 of a container, Python ignores SIGTERM unless told otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(app, host=os.environ.get("HOST", "0.0.0.0"), port=int(os.environ.get("PORT", "8080")))
