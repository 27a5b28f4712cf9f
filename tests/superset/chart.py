"""What a person does in Superset to draw a chart of credwatch, over Superset's REST API and then in a browser.

SUPERSET PICTURE; where credwatch is, and the key, come in the variables of psql (PGHOST ...), the password of
Superset's admin in SUPERSET_PASSWORD. Prints a line a step. What comes out must be what psql is told.
"""

import json
import os
import shutil
import subprocess
import sys

import requests
from playwright.sync_api import sync_playwright

SUPERSET, PICTURE = sys.argv[1:]
URI = "postgresql://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
ADMIN = {"username": "admin", "password": os.environ["SUPERSET_PASSWORD"]}
MUST_LIST = {"events", "calls", "findings", "findings_current", "coverage"}
BY_HOST = "SELECT dest_host, count(*) FROM calls GROUP BY 1 ORDER BY 2 DESC, 1"
DAY = ("2026-06-02T00:00:00", "2026-06-03T00:00:00")
# Those of Superset's, and how many seconds each is.
GRAINS = {"PT1S": 1, "PT30S": 30, "PT1M": 60, "PT5M": 300, "PT30M": 1800, "PT1H": 3600, "P1D": 86400}

session = requests.Session()
session.headers["Referer"] = SUPERSET
wrong = []


def say(step):
    print(step, flush=True)


def call(method, path, **body):
    answer = session.request(method, SUPERSET + path, json=body or None, timeout=120)
    if not answer.ok:
        said = answer.json() if "json" in answer.headers["Content-Type"] else "an error, see superset.log"
        raise AssertionError(f"{method} {path}: {answer.status_code} {said}")
    return answer.json()


def same(expected, found, what):
    assert expected == found, f"{what}: expected {str(expected)[:300]}, found {str(found)[:300]}"


def psql(statement):
    out = subprocess.run(["psql", "-X", "-At", "-F", "\t", "-c", statement], check=True, capture_output=True, text=True)
    return [line.split("\t") for line in out.stdout.splitlines()]


def by_host():
    return {host: int(count) for host, count in psql(BY_HOST)}


def log_in():
    token = call("POST", "/api/v1/security/login", **ADMIN, provider="db", refresh=True)["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    session.headers["X-CSRFToken"] = call("GET", "/api/v1/security/csrf_token/")["result"]


def connect():
    database = {"database_name": "credwatch", "sqlalchemy_uri": URI}
    call("POST", "/api/v1/database/test_connection/", **database)
    return call("POST", "/api/v1/database/", **database, expose_in_sqllab=True)["id"]


def browse(database):
    schemas = call("GET", f"/api/v1/database/{database}/schemas/")["result"]
    assert "public" in schemas, schemas
    tables = call("GET", f"/api/v1/database/{database}/tables/?q=(schema_name:public)")["result"]
    assert MUST_LIST <= {table["value"] for table in tables}, tables
    for table in sorted(MUST_LIST):
        about = call("GET", f"/api/v1/database/{database}/table_metadata/?name={table}&schema=public")
        assert "org_id" in [column["name"] for column in about["columns"]], about


def query(dataset, **asked):
    where = {"id": dataset, "type": "table"}
    return {"datasource": where, "queries": [asked], "result_format": "json", "result_type": "full", "force": True}


def rows(dataset, **asked):
    return call("POST", "/api/v1/chart/data", **query(dataset, **asked))["result"][0]["data"]


def add_chart(dataset):
    top = {"columns": ["dest_host"], "metrics": ["count"], "orderby": [["count", False]], "row_limit": 20}
    look = {"datasource": f"{dataset}__table", "viz_type": "echarts_timeseries_bar", "x_axis": "dest_host"}
    look |= {"metrics": ["count"], "groupby": [], "row_limit": 20, "order_desc": True}
    chart = {"slice_name": "Calls by host", "viz_type": look["viz_type"], "datasource_id": dataset}
    texts = {"params": json.dumps(look), "query_context": json.dumps(query(dataset, **top))}
    return call("POST", "/api/v1/chart/", **chart, datasource_type="table", **texts)["id"]


def check_top(found):
    counts = by_host()
    same(sorted(counts.values(), reverse=True)[:20], sorted((row["count"] for row in found), reverse=True), "the top")
    for row in found:
        same(counts[row["dest_host"]], row["count"], row["dest_host"])


def time_range(dataset):
    first, end = DAY
    day = {"col": "time", "op": "TEMPORAL_RANGE", "val": f"{first} : {end}"}
    found = rows(dataset, columns=[], metrics=["count"], filters=[day])
    expected = psql(f"SELECT count(*) FROM calls WHERE time >= '{first}Z' AND time < '{end}Z'")
    same(expected, [[str(row["count"])] for row in found], "calls of a day")


def grain(dataset, name, seconds):
    axis = {"columnType": "BASE_AXIS", "expressionType": "SQL", "sqlExpression": "time", "label": "time"}
    axis["timeGrain"] = name
    found = rows(dataset, columns=[axis], metrics=["count"], extras={"time_grain_sqla": name}, row_limit=50_000)
    told = psql(f"SELECT floor(extract(epoch FROM time) / {seconds}), count(*) FROM calls GROUP BY 1")
    expected = {int(float(nth)) * seconds: int(count) for nth, count in told}
    same(expected, {round(row["time"] / 1000): row["count"] for row in found}, f"calls by {name}")


def sql_lab(database):
    asked = {"database_id": database, "schema": "public", "sql": BY_HOST, "client_id": "one", "queryLimit": 10_000}
    answer = call("POST", "/api/v1/sqllab/execute/", **asked, runAsync=False)
    same(by_host(), {row["dest_host"]: row["count(*)"] for row in answer["data"]}, "SQL Lab")


def look(chart):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"{SUPERSET}/login/")
        page.fill("input#username", ADMIN["username"])
        page.fill("input#password", ADMIN["password"])
        page.click("button[type=submit]")
        page.wait_for_url("**/welcome/")
        with page.expect_response(lambda answer: "/api/v1/chart/data" in answer.url) as answer:
            page.goto(f"{SUPERSET}/explore/?slice_id={chart}&force=true")
        check_top(answer.value.json()["result"][0]["data"])
        page.wait_for_selector(".slice_container canvas")
        page.wait_for_timeout(3_000)
        page.screenshot(path=PICTURE)
        browser.close()


def also(step, check, *arguments):
    """A step on which no other stands: it fails in the end, after the others had their turn."""
    say(step)
    try:
        check(*arguments)
    except Exception as error:
        wrong.append(f"{step}: {error}")


def main():
    say("logging in to Superset")
    log_in()
    say("connecting it to credwatch")
    database = connect()
    also("browsing schemas, tables and columns", browse, database)
    also("running a statement in SQL Lab", sql_lab, database)
    say("making a dataset of calls")
    dataset = call("POST", "/api/v1/dataset/", database=database, schema="public", table_name="calls")["id"]
    say("making a chart of calls by host")
    found = rows(dataset, columns=["dest_host"], metrics=["count"], row_limit=10_000)
    same(by_host(), {row["dest_host"]: row["count"] for row in found}, "calls by host")
    chart = add_chart(dataset)
    check_top(call("GET", f"/api/v1/chart/{chart}/data/?force=true")["result"][0]["data"])
    also("looking at it in a browser", look, chart)
    also("asking for a range of time", time_range, dataset)
    for name, seconds in GRAINS.items():
        also(f"grouping time by {name}", grain, dataset, name, seconds)


try:
    main()
except AssertionError as error:
    wrong.append(error)
for error in wrong:
    print("wrong:", error)
sys.exit(bool(wrong))
