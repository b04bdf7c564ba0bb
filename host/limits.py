"""Every limit on data from outside, in one place.

A board has little memory and is unattended, so a file that is larger than any sensible one is
refused before it is read.
"""

from __future__ import annotations

import re

# --- names --------------------------------------------------------------------------------------

BUCKET_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""A bucket names files, so its alphabet has no dot and no slash."""
SECURITY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CURRENCY = re.compile(r"[A-Z]{3}")
GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._&/-]{0,63}")

# --- any TOML ------------------------------------------------------------------------------------

TOML_BYTES_MAX = 64 * 1024
"""Of a configuration; portfolios may be larger."""
TOML_KEY_PARTS_MAX = 8
TOML_NESTING_MAX = 16
TOML_TOKEN_LENGTH_MAX = 256

# --- portfolios/<bucket>.toml -------------------------------------------------------------------

PORTFOLIO_BYTES_MAX = 1024 * 1024
"""2,000 securities of half a kilobyte each."""
SECURITIES_MAX = 2_000
LOTS_PER_SECURITY_MAX = 500
CASH_ACCOUNTS_MAX = 50
CASH_FLOWS_MAX = 1_000
RECURRING_FLOWS_MAX = 100
PENDING_ORDERS_MAX = 1_000
ACCEPTED_PRICES_MAX = 5_000
GROUPS_MAX = 500
TEXT_LENGTH_MAX = 200
QUANTITY_MAX = 1e12
MONEY_MAX = 1e15
"""A larger figure is a typing error, and sums of squares would lose digits."""

# --- market/*.csv and portfolios/<bucket>.trades.csv --------------------------------------------

PRICES_BYTES_MAX = 64 * 1024 * 1024
FX_BYTES_MAX = 16 * 1024 * 1024
ACTIONS_BYTES_MAX = 1024 * 1024
LEDGER_BYTES_MAX = 16 * 1024 * 1024
TABLE_ROWS_MAX = 30_000
"""A century of market days."""
LONG_ROWS_MAX = 500_000
"""Of a table with a row per day and name: 30 securities for 60 years."""
LEDGER_ROWS_MAX = 200_000
COLUMNS_MAX = SECURITIES_MAX + 1
CELL_LENGTH_MAX = 64
SPLIT_RATIO_MAX = 1_000.0
PRICE_MAX = 1e12
"""The dearest share in the smallest unit of money, an A share of Berkshire in dong, is 2e10."""

# --- state/advice/<bucket>.json ------------------------------------------------------------------

ADVICE_BYTES_MAX = 1024 * 1024
REFUSED_MAX = 500
DISMISSED_MAX = 20
REFUSED_DAYS_MAX = 3_650
PLAN_STEPS_MAX = 100
PLAN_VALID_DAYS_MAX = 31
"""No plan is valid for longer, so no older fill can have accepted one."""

# --- messages -----------------------------------------------------------------------------------

PROBLEMS_SHOWN_MAX = 50
"""Of one file; the rest is counted."""
FINDINGS_PER_FILE_MAX = 20

# --- plans/<bucket>/*.json -----------------------------------------------------------------------

PLAN_BYTES_MAX = 4 * 1024 * 1024

# --- plugins/*.py ---------------------------------------------------------------------------------

PLUGIN_BYTES_MAX = 256 * 1024
"""Ten times the longest module that is shipped."""
PLUGINS_MAX = 100
PLUGIN_ENTRIES_MAX = 20_000
"""Names of the folder that are read."""
PLUGIN_ERROR_LENGTH_MAX = 400
"""An error is one line, with the chain of modules that need each other."""
PLUGIN_LINE_BYTES_MAX = 1024 * 1024
"""What one plugin is described by."""
PLUGINS_ONLY_MAX = 100
PLUGINS_REMEMBERED_MAX = 500
"""Names of modules, also of plugins that are gone, so that a configuration can be explained."""

# --- the daemon ---------------------------------------------------------------------------------

JOURNAL_LINE_BYTES_MAX = 64 * 1024
JOURNAL_FILE_BYTES_MAX = 2 * 1024 * 1024
"""A file of the journal that is larger is finished, and another one begun."""
JOURNAL_FILE_DAYS_MAX = 31
JOURNAL_BYTES_MAX = 64 * 1024 * 1024
"""Of all files; the oldest are removed. A plan takes about 16 KB, a press less than one."""
JOURNAL_CORRUPT_KEPT_MAX = 8
WORKER_LINE_BYTES_MAX = 8 * 1024 * 1024
"""A plan of a worker, as one line."""
WORKER_REQUEST_BYTES_MAX = 16 * 1024
PLAN_MEMORY_MB = 256
"""What plans may take beyond what the planner's process needs to begin with.

Measured: 65 for 88 securities at depth 10, 145 for 500. With daemon and process it stays below what
the unit of systemd allows, so that a module gets a MemoryError before the kernel kills the process.
"""
MEMORY_BESIDE_MB = 110
"""What daemon and planner's process take before anything is planned."""
API_MEMORY_MB = 170
"""What the HTTP API takes beside them: measured 84 for its server, and 78 for a dry run."""
WORKER_STDERR_BYTES_MAX = 64 * 1024
DEVICE_PATH_LENGTH_MAX = 255
FIRMWARE_IMAGE_BYTES_MAX = 128 * 1024
"""As Intel HEX, which takes 2.8 characters for each byte of the 28 KiB that fit."""

# --- versions, presets, backups -----------------------------------------------------------------

BACKUP_BYTES_MAX = 1024 * 1024 * 1024
BACKUP_UNPACKED_BYTES_MAX = 2 * BACKUP_BYTES_MAX
BACKUP_FILE_BYTES_MAX = 512 * 1024 * 1024
BACKUP_FILES_MAX = 60_000
"""Fewer than the 65,535 that the plain form of a ZIP counts to."""
BACKUP_MANIFEST_BYTES_MAX = 32 * 1024 * 1024
BACKUP_PATH_BYTES_MAX = 400
BACKUP_PATH_PARTS_MAX = 16
CONFIG_REASON_LENGTH_MAX = 200
PRESETS_MAX = 500
PRESET_BYTES_MAX = 64 * 1024
PRESET_STATE_BYTES_MAX = 256 * 1024
CONFIG_VERSION_BYTES_MAX = TOML_BYTES_MAX + 2 * 1024
"""A configuration of 64 KB, and the line of metadata before it."""

# --- state/ --------------------------------------------------------------------------------------

STATE_BYTES_MAX = 8 * 1024 * 1024
"""Of a file of metrics or breakers; a full one of metrics has about 1 MB."""

# --- health --------------------------------------------------------------------------------------

HEALTH_BYTES_MAX = 256 * 1024
"""Of state/health.json."""
HEALTH_JOURNAL_BYTES_MAX = 64 * 1024 * 1024
"""A longer journal is not read as a whole by a check of the health."""
HEALTH_ENTRIES_MAX = 2_000
"""Files of a home whose rights are looked at."""
DISK_FREE_MIN_BYTES = 1024 * 1024
"""With less than that, a plan may not fit."""
DISK_FREE_LOW_BYTES = 64 * 1024 * 1024
MEMORY_FREE_LOW_BYTES = 64 * 1024 * 1024
"""About what the planner's process takes."""

# --- the HTTP API --------------------------------------------------------------------------------

HTTP_BODY_BYTES_MAX = 256 * 1024
"""A configuration of 64 KB as JSON text, where each byte may take several."""

# --- access to the HTTP API ----------------------------------------------------------------------

TOKEN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,38}[A-Za-z0-9._-])?")
TOKENS_MAX = 50
"""More than a household has devices; each request compares all of them."""
TOKEN_LENGTH_MAX = 128
"""Ours have 50 characters."""
SECRET_FILE_BYTES_MAX = 64 * 1024
PAIRING_DIGITS = 6
PAIRING_S = 120.0
"""Time to walk from the board to the other device and to type six digits."""
PAIRING_TRIES_MAX = 5
"""Of a million codes: the chance to guess one is 5 in a million for each press of the button."""
WEB_NAMES_MAX = 20

# --- connections of the HTTP API -----------------------------------------------------------------

HTTP_CONNECTIONS_MAX = 256
"""Each takes a file and about 100 KB with TLS; 50 clients with a stream use about 100."""
HTTP_CONNECTIONS_PER_ADDRESS_MAX = 160
"""All programs of this computer share one address."""
HTTP_STREAMS_MAX = 100
HTTP_STREAMS_PER_ADDRESS_MAX = 80
"""Other devices get streams even when one opens as many as it can."""
HTTP_HEAD_BYTES_MAX = 16 * 1024
"""Of a request's line and headers together."""
HTTP_HANDSHAKE_S = 10.0
HTTP_HEAD_S = 10.0
"""From the first byte, or the connection, to the end of the headers; a phone needs less than 1."""
HTTP_BODY_S = 30.0
"""256 KB at 70 kbit/s."""
HTTP_REST_S = 5.0
"""For the rest of a body after the answer, such as a refusal. If the connection were closed at
once, the answer could be lost on its way; a client on a slow network needs a second to read it."""
HTTP_WRITE_S = 30.0
"""A client that reads nothing for so long is gone."""
HTTP_IDLE_S = 15.0
"""Between two requests of a connection."""
HTTP_TOKEN_CHECK_S = 1.0
"""An open stream whose token is revoked ends within this time, also when nothing is sent."""
HTTP_FAILURES_PER_ADDRESS = 10
"""Wrong tokens or codes that an address may send in a row, before it has to wait."""
HTTP_FAILURE_WAIT_S = 10.0
"""An address that has used them up gets another one after so long."""
HTTP_FAILURES_IN_ALL = 100
HTTP_FAILURE_WAIT_IN_ALL_S = 1.0
HTTP_FAILING_ADDRESSES_MAX = 1_000
"""Remembered at a time; the oldest is forgotten, and the limit of all together remains."""
