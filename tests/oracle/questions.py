"""Times questions that other engines answer over the same Parquet files: `questions.py duckdb|chdb`, and on stdin a JSON object with
`files`, `questions` ([name, statement]), `runs`, `from` and `to`. Prints, for each, [seconds of the middle run, rows, sum of all whole numbers in them].

A statement speaks of the table `events` and of `{from}` and `{to}`, two times."""
import json
import os
import statistics
import sys
import time

THREADS = 2


def duckdb(files):
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute("SET TimeZone = 'UTC'")
    names = ", ".join(f"'{name}'" for name in files)
    connection.execute(f"CREATE VIEW events AS SELECT * FROM read_parquet([{names}])")
    literal = "TIMESTAMPTZ '{}+00'".format
    return literal, lambda statement: connection.execute(statement).fetchall()


def chdb(files):
    from chdb import session

    opened = session.Session()
    # Braces are understood behind a folder alone.
    folder = os.path.commonpath([os.path.dirname(name) for name in files])
    names = ",".join(os.path.relpath(name, folder) for name in files)
    opened.query("CREATE DATABASE lake ENGINE = Atomic")
    opened.query(f"CREATE VIEW lake.events AS SELECT * FROM file('{folder}/{{{names}}}', Parquet)")

    def ask(statement):
        statement = statement.replace("FROM events", "FROM lake.events")
        answer = opened.query(f"{statement} SETTINGS max_threads = {THREADS}", "JSONCompact")
        return json.loads(answer.bytes())["data"]

    literal = "toDateTime64('{}', 6, 'UTC')".format
    return literal, ask


def whole(cell):
    if isinstance(cell, str) and cell.isdigit():
        return int(cell)
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else 0


engine, asked = sys.argv[1], json.load(sys.stdin)
literal, ask = {"duckdb": duckdb, "chdb": chdb}[engine](asked["files"])
answers = []
for name, statement in asked["questions"]:
    for key in ("from", "to"):
        statement = statement.replace(f"{{{key}}}", literal(asked[key]))
    rows, seconds = ask(statement), []
    for _ in range(asked["runs"]):
        begin = time.perf_counter()
        ask(statement)
        seconds.append(time.perf_counter() - begin)
    answers.append([statistics.median(seconds), len(rows), sum(whole(cell) for row in rows for cell in row)])
print(json.dumps(answers))
