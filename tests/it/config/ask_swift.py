"""Prints the key of each section of the given files as the real glance_store reads it."""

import json
import sys

from glance_store._drivers.swift.utils import SwiftConfigParser


def keys(path):
    parser = SwiftConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        sections = {
            section: {name: parser.get(section, name) for name in parser.options(section)}
            for section in parser.sections()
        }
        return {section: values["key"] for section, values in sections.items()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([keys(path) for path in sys.argv[1:]], sys.stdout)
