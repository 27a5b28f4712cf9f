"""Holds a weekly report against the lake's files, with deltalake and DuckDB alone, and against its JSON Schema.

LAKE REPORT.json SCHEMA.json. Says "ok" when every figure is what plain SQL over the records says.
"""

import json
import sys

import duckdb
import jsonschema
from deltalake import DeltaTable


def same(what, expected, found):
    assert expected == found, f"{what}: plain SQL says {expected!r}, the report {found!r}"


def sections(report, raised):
    """Each detector's section lists findings of its own, the worst first, and says of each what the finding says."""
    ranks = ["info", "low", "medium", "high", "critical"]
    same("sections", [one["detector_id"] for one in report["coverage"]["detectors"]], [one["detector_id"] for one in report["sections"]])
    for section in report["sections"]:
        own = {one[0]: one for one in raised if one[1] == section["detector_id"]}
        same(section["title"], len(own), len(section["rows"]) + section["more"])
        told = [ranks.index(row["severity"]) for row in section["rows"]]
        assert told == sorted(told, reverse=True), section
        left = [ranks.index(one[3]) for id, one in own.items() if id not in {row["finding_id"] for row in section["rows"]}]
        assert not left or max(left) <= min(told), section
        for row in section["rows"]:
            _, _, org, severity, subject, compared, events = own[row["finding_id"]]
            same("whose it is", (org, severity), (row["org_id"], row["severity"]))
            compared, subject = {one["name"]: one["observed"] for one in compared}, dict(subject)
            assert set(row["values"]) <= {column["name"] for column in section["columns"]}, row
            for column in section["columns"]:
                name, title = column["name"], column["title"]
                if column["unit"] is None:
                    same(name, subject.get(name), row["values"].get(name))
                elif name == "event_count":
                    same(name, events, row["values"][name])
                elif column["unit"] != "time":
                    assert title in compared, f"no finding compares {title!r}: {compared}"
                    same(name, compared[title], row["values"].get(name))


def chance(report, raised, tests=("error-rate-spike",)):
    """Benjamini and Hochberg, straight from their definition."""
    used = {}
    for finding, detector, _, _, _, compared, _ in raised:
        for one in compared:
            if detector in tests and one["unit"] == "probability":
                used[finding] = one["observed"] / one["threshold"]
    assert used or all(detector not in tests for _, detector, *_ in raised), "a test without a probability"
    findings, expected = report["findings"], report["findings"]["expected_by_chance"]
    same("statistical findings", len(used), findings["statistical"])
    rates = {}
    for finding, part in used.items():
        at_least = [other for other in used.values() if other >= part]
        rates[finding] = min([1.0, *(expected * other / sum(one <= other for one in used.values()) for other in at_least)])
    same("findings beyond chance", sum(rate <= 0.1 for rate in rates.values()), findings["beyond_chance"])
    for one in findings["top"]:
        rate = rates.get(one["finding_id"])
        same("a rate", rate is None, one["false_discovery_rate"] is None)
        assert rate is None or abs(rate - one["false_discovery_rate"]) < 1e-6, (one, rate)


def main(lake, path, schema):
    with open(path) as file:
        report = json.load(file)
    with open(schema) as file:
        jsonschema.Draft202012Validator(json.load(file)).validate(report)
    records = DeltaTable(f"{lake}/records").to_pyarrow_dataset()  # DuckDB reads it by its name
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    scope = "TRUE" if report["org_id"] is None else "org_id = '" + report["org_id"] + "'"
    connection.execute(f"CREATE TABLE events AS SELECT * FROM records WHERE disposition = 'accepted' AND {scope}")
    week = f"time >= TIMESTAMPTZ '{report['from_time']}' AND time < TIMESTAMPTZ '{report['to_time']}'"

    def rows(sql):
        return connection.execute(sql).fetchall()

    coverage, calls = report["coverage"], report["calls"]
    [(events,)] = rows(f"SELECT count(*) FROM events WHERE {week}")
    same("events", events, coverage["events"])
    [(data_seq,)] = rows("SELECT max(seq) FROM events")
    same("data_seq", data_seq, report["data_seq"])
    heard = rows(f"""
        SELECT org_id, source, count(*) FILTER ({week}), count(*) FILTER ({week} AND ingest_time > time + INTERVAL 15 MINUTE),
               count(DISTINCT date_diff('hour', TIMESTAMPTZ '{report['from_time']}', time)) FILTER ({week})
        FROM events WHERE time < TIMESTAMPTZ '{report['to_time']}' GROUP BY 1, 2""")
    same(
        "sources",
        {(org, source): (count, late) for org, source, count, late, _ in heard},
        {(one["org_id"], one["source"]): (one["events"], one["late"]) for one in coverage["sources"]},
    )
    # A whole week of a source that was there before it: each hour was heard or was silent.
    before = rows(f"SELECT org_id, source FROM events WHERE time < TIMESTAMPTZ '{report['from_time']}' GROUP BY 1, 2")
    for org, source, _, _, hours in heard:
        [told] = [one for one in coverage["sources"] if (one["org_id"], one["source"]) == (org, source)]
        if report["ended"] and (org, source) in before:
            same(f"hours of {source}", len(calls["hours"]), told["silent_hours"] + hours)
    all_series = rows(f"""
        SELECT org_id, agent_id, dest_host, count(*) AS calls, count(*) FILTER (outcome = 'failure'),
               count(*) FILTER (outcome = 'denied'),
               count(*) FILTER (outcome IS NULL OR outcome NOT IN ('success', 'failure', 'denied'))
        FROM events WHERE kind = 'tool_call' AND {week} GROUP BY 1, 2, 3""")
    same("series", len(all_series), len(calls["series"]) + calls["series_more"])
    same("agents", len({series[:2] for series in all_series}), calls["agents"])
    same("hosts", len({series[2] for series in all_series if series[2]}), calls["hosts"])
    known = {series[:3]: series[3:] for series in all_series}
    for series in calls["series"]:
        found = tuple(series[name] for name in ("calls", "failures", "denied", "unknown"))
        same("a series", known[(series["org_id"], series["agent_id"], series["dest_host"])], found)
    for place, name in enumerate(["calls", "failures", "denied", "unknown"], start=3):
        same(name, sum(series[place] for series in all_series), calls["total"][name])
    same("calls by the hour", calls["total"]["calls"], sum(hour["calls"] for hour in calls["hours"]))
    new = rows(f"""
        SELECT org_id, agent_id, lower(rtrim(dest_host, '.')), count(*) FROM events
        WHERE kind = 'tool_call' AND dest_host IS NOT NULL AND time < TIMESTAMPTZ '{report['to_time']}'
        GROUP BY 1, 2, 3 HAVING min(time) >= TIMESTAMPTZ '{report['from_time']}'""")
    same("new destinations", len(new), len(report["new_destinations"]) + report["new_destinations_more"])
    told = {(one["org_id"], one["agent_id"], one["dest_host"], one["calls"]) for one in report["new_destinations"]}
    assert told <= set(new), told - set(new)
    refreshes = rows(f"""
        SELECT count(*), count(*) FILTER (outcome = 'failure') FROM events WHERE kind = 'token_refresh' AND {week}""")
    same(
        "refreshes",
        refreshes,
        [tuple(sum(one[name] for one in report["credentials"]) for name in ("refreshes", "refreshes_failed"))],
    )
    findings = DeltaTable(f"{lake}/findings").to_pyarrow_dataset()
    connection.register("findings", findings)
    standing = rows(f"""
        SELECT severity, count(*) FROM (SELECT *, row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC) AS back FROM findings)
        WHERE back = 1 AND status IN ('open', 'resolved') AND {scope}
          AND raised_time >= TIMESTAMPTZ '{report['from_time']}' AND raised_time < TIMESTAMPTZ '{report['to_time']}'
        GROUP BY severity""")
    same(
        "findings by severity",
        dict(standing),
        {one["severity"]: one["findings"] for one in report["findings"]["by_severity"] if one["findings"]},
    )
    raised = rows(f"""
        SELECT finding_id, detector_id, org_id, severity, subject, compared, event_count
        FROM (SELECT *, row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC) AS back FROM findings)
        WHERE back = 1 AND status IN ('open', 'resolved') AND {scope}
          AND raised_time >= TIMESTAMPTZ '{report['from_time']}' AND raised_time < TIMESTAMPTZ '{report['to_time']}'""")
    sections(report, raised)
    chance(report, raised)
    others = rows(f"""
        SELECT count(*) FROM (SELECT DISTINCT org_id, connection_id, NULLIF(credential_org_id, org_id), NULLIF(target_org_id, org_id)
        FROM events WHERE {week} AND (credential_org_id <> org_id OR target_org_id <> org_id))""")
    same("across orgs", others[0][0], len(report["other_orgs"]) + report["other_orgs_more"])
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
