"""Print the merged OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import sys

from tools.openapi import whole_document

json.dump(asyncio.run(whole_document()), sys.stdout, indent=2)
sys.stdout.write("\n")
