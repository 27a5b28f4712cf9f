"""Validates OCSF records, a line each, against the compiled schema of their version: no code of the project is involved.

Prints how many records of each class are valid; what is not ends it with the reason."""
import collections
import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema


class Version:
    def __init__(self, number):
        self.compiled = get_ocsf_schema(version=number)
        self.schemas = OcsfJsonSchemaEmbedded(self.compiled)
        self.classes = {one["uid"]: (name, one) for name, one in self.compiled["classes"].items()}
        self.validators = {}

    def validator(self, class_uid, profiles):
        key = (class_uid, tuple(profiles))
        if key not in self.validators:
            schema = self.schemas.get_class_schema(self.classes[class_uid][0], list(profiles))
            self.validators[key] = jsonschema.Draft202012Validator(schema)
        return self.validators[key]


versions = {}


# Of what the JSON Schema of a class does not say: which attributes must not be alone, and sums.
def constraints(thing, rules, where):
    for rule, names in (rules or {}).items():
        present = sum(name in thing for name in names)
        if (rule == "at_least_one" and present < 1) or (rule == "just_one" and present != 1):
            yield f"{where}: {rule} of {names}"


def walk(version, thing, attributes, where):
    for name, value in thing.items():
        about = attributes.get(name, {})
        kind = version.compiled["objects"].get(about.get("object_type"))
        # A free object has no attributes of its own.
        if kind is None or about.get("object_type") == "object":
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from constraints(one, kind.get("constraints"), f"{where}.{name}")
                yield from walk(version, one, kind["attributes"], f"{where}.{name}")


counts = collections.Counter()
for number, line in enumerate(sys.stdin, 1):
    record = json.loads(line)
    uid, number_of_version = record["class_uid"], record["metadata"]["version"]
    version = versions.get(number_of_version) or versions.setdefault(number_of_version, Version(number_of_version))
    name, about = version.classes[uid]
    wrong = [f"{list(error.absolute_path)}: {error.message[:200]}" for error in
             version.validator(uid, record["metadata"].get("profiles", [])).iter_errors(record)]
    wrong += constraints(record, about.get("constraints"), name)
    wrong += walk(version, record, about["attributes"], name)
    activities = about["attributes"]["activity_id"]["enum"]
    if str(record["activity_id"]) not in activities or record["type_uid"] != uid * 100 + record["activity_id"]:
        wrong.append("activity and type do not fit")
    if record["activity_id"] == 99 and not record.get("activity_name"):
        wrong.append("another activity has no name")
    if wrong:
        sys.exit(f"line {number}, {name}: " + "; ".join(wrong))
    counts[name] += 1
print(json.dumps(counts))
