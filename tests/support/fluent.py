"""Real Fluent Bit and Fluentd: where they are, and how they are configured so that no line is lost between them and us.

`SAFELIGHT_FLUENT_BIT` and `SAFELIGHT_FLUENTD` are the paths of the programs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FLUENT_BIT = os.environ.get("SAFELIGHT_FLUENT_BIT", "")
FLUENTD = os.environ.get("SAFELIGHT_FLUENTD", "")
with_fluent_bit = pytest.mark.skipif(not FLUENT_BIT, reason="SAFELIGHT_FLUENT_BIT names no Fluent Bit")
with_fluentd = pytest.mark.skipif(not FLUENTD, reason="SAFELIGHT_FLUENTD names no Fluentd")

FLUENT_BIT_SENDS = """
[SERVICE]
    flush           0.2
    grace           1
    storage.path    {folder}/storage
    storage.sync    full
    scheduler.base  1
    scheduler.cap   2
[INPUT]
    name            tail
    path            {folder}/app.log
    tag             app.log
    db              {folder}/tail.db
    db.sync         full
    storage.type    filesystem
    read_from_head  on
    refresh_interval 1
[OUTPUT]
    name            forward
    match           *
    host            localhost
    port            {port}
    tls             on
    tls.verify      on
    tls.ca_file     {ca}
    shared_key      {key}
    self_hostname   fluent-bit
    username        agent
    password        a password
    require_ack_response true
    compress        gzip
    retry_limit     no_limits
"""

FLUENT_BIT_TAKES = """
[SERVICE]
    flush           0.2
    grace           1
    storage.path    {folder}/storage
    storage.sync    full
[INPUT]
    name            forward
    listen          127.0.0.1
    port            {port}
    storage.type    filesystem
    tls             on
    tls.verify      off
    tls.crt_file    {cert}
    tls.key_file    {certkey}
    shared_key      {key}
    self_hostname   fluent-bit
    security.users  agent a_password
[OUTPUT]
    name            file
    match           *
    path            {folder}
    file            taken.ndjson
    format          plain
"""

FLUENTD_SENDS = """
<system>
  root_dir {folder}/root
</system>
<source>
  @type tail
  path {folder}/app.log
  pos_file {folder}/app.pos
  tag app.log
  read_from_head true
  refresh_interval 1s
  <parse>
    @type none
  </parse>
</source>
<match app.**>
  @type forward
  transport tls
  tls_cert_path {ca}
  require_ack_response true
  compress {compress}
  <security>
    self_hostname fluentd
    shared_key {key}
  </security>
  <server>
    host localhost
    port {port}
    username agent
    password a password
  </server>
  <buffer>
    @type file
    path {folder}/buffer
    flush_mode interval
    flush_interval 0.2s
    retry_type periodic
    retry_wait 1s
    retry_forever true
  </buffer>
</match>
"""

FLUENTD_TAKES = """
<source>
  @type forward
  bind 127.0.0.1
  port {port}
  <transport tls>
    cert_path {cert}
    private_key_path {certkey}
  </transport>
  <security>
    self_hostname fluentd
    shared_key {key}
    user_auth true
    <user>
      username agent
      password a_password
    </user>
  </security>
</source>
<match safelight.**>
  @type file
  path {folder}/taken
  append true
  <format>
    @type json
  </format>
  <inject>
    tag_key fluent_tag
  </inject>
  <buffer>
    @type file
    path {folder}/buffer
    flush_mode immediate
  </buffer>
</match>
"""


def written(path: Path, text: str) -> Path:
    """A configuration, as a file."""
    path.write_text(text, "utf-8")
    return path
