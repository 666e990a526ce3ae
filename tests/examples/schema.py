"""The schema for editors takes every scenario of examples/, and none with a key or a value that is wrong."""
import copy
import json
import pathlib
import sys

import jsonschema
import yaml

root = pathlib.Path(sys.argv[1])
schema = json.loads((root / "share/schema/scenario.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)


def names(value):
    """Keys of YAML are texts for a schema: 2: 70% is "2": 70%."""
    if isinstance(value, dict):
        return {str(key): names(one) for key, one in value.items()}
    return [names(one) for one in value] if isinstance(value, list) else value


def maps(value):
    if isinstance(value, dict):
        yield value
        for key, one in value.items():
            if key != "json":  # of a request's body: whatever the service asks for
                yield from maps(one)
    elif isinstance(value, list):
        for one in value:
            yield from maps(one)


seen = 0
for path in sorted(root.glob("examples/*.yaml")):
    scenario = names(yaml.safe_load(path.read_text()))
    errors = list(validator.iter_errors(scenario))
    if errors:
        sys.exit(f"{path}: {errors[0].json_path}: {errors[0].message}")
    for number in range(len(list(maps(scenario)))):
        wrong = copy.deepcopy(scenario)
        changed = list(maps(wrong))[number]
        changed["no such key"] = 1
        if validator.is_valid(wrong):
            sys.exit(f"{path}: the schema takes an unknown key in {changed}")
    seen += 1
for wrong in ({"load": {"peers": "many"}}, {"load": {"duration": 10}}, {"audio": "yes"}, {"groups": {"a": {"role": "wach"}}},
              {"groups": [{"role": "watch"}]}, {"network": {"up": {"firewall": "none"}}}, {"expect": []}, {"data": {"rate": "1/s"}},
              {"rooms": {"sizes": {"two": "100%"}}}, {"expect": [{"expr": "a", "level": "info"}]},
              {"steps": []}, {"steps": ["wait"]}, {"steps": [{"wait": "1s", "event": "a"}]}, {"before": [{"http": {"method": "GET"}}]}):
    if validator.is_valid(wrong):
        sys.exit(f"the schema takes {wrong}")
print(f"{seen} scenarios are what the schema takes")
