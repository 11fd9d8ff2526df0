"""An answer as a flat map from field to value, so that two answers can be compared field by field."""

import json
import xml.etree.ElementTree as ElementTree

# In these lists of Eureka's documents the order says nothing: the originals keep them in hash tables.
NAMED_LISTS = {"application": "name", "instance": "instanceId"}


def flatten(answer):
    """All fields of an answer: status, headers.*, and the body's by its form (JSON, XML, text)."""
    fields = {"status": answer["status"]}
    for name, value in answer["headers"].items():
        fields[f"headers.{name}"] = value
    if "body_base64" in answer:
        fields["body"] = answer["body_base64"]
        return fields
    kind, text = answer["headers"].get("content-type", ""), answer["body"]
    if "json" in kind and text:
        _json(fields, "body", _parsed(text))
    elif "xml" in kind and (tree := _tree(text)) is not None:
        _xml(fields, "body", tree)
    elif "\n" in text:
        for number, line in enumerate(text.split("\n"), 1):
            fields[f"body.line {number}"] = line
    else:
        fields["body"] = text
    return fields


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def _tree(text):
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def _json(fields, place, value):
    if isinstance(value, dict):
        if not value:
            fields[place] = "{}"
        for key, each in value.items():
            _json(fields, f"{place}.{key}", each)
    elif isinstance(value, list):
        if not value:
            fields[place] = "[]"
        name = NAMED_LISTS.get(place.rsplit(".", 1)[-1])
        if name and all(isinstance(each, dict) for each in value):
            seen = {}
            for each in value:
                label = each.get(name) or each.get("hostName")
                seen[label] = seen.get(label, 0) + 1
                again = f" again {seen[label]}" if seen[label] > 1 else ""
                _json(fields, f"{place}[{label}{again}]", each)
        else:
            for number, each in enumerate(value):
                _json(fields, f"{place}[{number}]", each)
    else:
        # A number and a string that reads alike are different answers.
        fields[place] = value if isinstance(value, str) else json.dumps(value)
        if not isinstance(value, str):
            fields[f"{place} (type)"] = type(value).__name__


def _xml(fields, place, element):
    for name, value in element.attrib.items():
        fields[f"{place}@{name}"] = value
    children = list(element)
    if not children:
        fields[place] = (element.text or "").strip()
        return
    seen = {}
    for child in children:
        name = NAMED_LISTS.get(child.tag)
        label = child.findtext(name) or child.findtext("hostName") if name else None
        step = f"{child.tag}[{label}]" if label else child.tag
        seen[step] = seen.get(step, 0) + 1
        again = f" again {seen[step]}" if seen[step] > 1 else ""
        _xml(fields, f"{place}.{step}{again}", child)


def differences(wanted, got):
    """Fields in which two answers differ, as (field, wanted value, got value); None for a field that isn't there."""
    left, right = flatten(wanted), flatten(got)
    return [
        (field, left.get(field), right.get(field))
        for field in dict.fromkeys([*left, *right])
        if left.get(field) != right.get(field)
    ]
