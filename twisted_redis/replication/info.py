"""The fields of INFO and the reply of ROLE about replication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.replication.replicas import ONLINE
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["replication_fields", "role_reply", "stats_fields"]

Fields = list[tuple[str, Any]]


def _following(replication: Replication) -> Fields:
    follower = replication.follower
    config = replication.engine.config
    now = replication.engine.time.monotonic()
    fields: Fields = [
        ("master_host", follower.host),
        ("master_port", follower.port),
        ("master_link_status", "up" if follower.connected else "down"),
        ("master_last_io_seconds_ago", int(now - follower.heard_at) if follower.connected else -1),
        ("master_sync_in_progress", int(follower.stage == "sync")),
        ("slave_read_repl_offset", follower.read_offset),
        ("slave_repl_offset", follower.offset),
        ("replica_full_sync_buffer_size", follower.buffer_size),
        ("replica_full_sync_buffer_peak", follower.buffer_peak),
        ("master_current_sync_attempts", follower.attempts),
        ("master_total_sync_attempts", follower.all_attempts),
    ]
    if follower.stage == "sync":
        total, read = follower.transfer_size, follower.transfer_read
        fields += [
            ("master_sync_total_bytes", total),
            ("master_sync_read_bytes", read),
            ("master_sync_left_bytes", total - read),
            ("master_sync_perc", f"{read / total * 100 if total else 0:.2f}"),
            ("master_sync_last_io_seconds_ago", int(now - follower.heard_at)),
        ]
    down = follower.down_since
    if follower.connected:
        fields += [("master_link_up_since_seconds", int(now - follower.up_since)), ("master_client_io_thread", 0)]
    else:
        fields.append(("master_link_down_since_seconds", int(now - down) if down is not None else -1))
    disconnected = follower.down_before + (now - down if down is not None else 0)
    fields += [
        ("total_disconnect_time_sec", int(disconnected)),
        ("slave_priority", config.replica_priority),
        ("slave_read_only", int(config.replica_read_only)),
        ("replica_announced", int(config.replica_announced)),
    ]
    return fields


def replication_fields(replication: Replication) -> Fields:
    """The fields of the section ``replication``, in Redis' order."""
    engine = replication.engine
    master = replication.master
    config = engine.config
    now = engine.time.monotonic()
    fields: Fields = [("role", "slave" if replication.is_replica else "master")]
    if replication.is_replica:
        fields += _following(replication)
    fields.append(("connected_slaves", master.replica_count))
    if config.min_replicas_to_write and config.min_replicas_max_lag:
        fields.append(("min_slaves_good_slaves", master.good_replicas))
    number = 0
    for replica in master.replicas.values():
        word = replica.state.strip()
        if word in ("", "snapshot") or replica.has_main:
            continue
        lag = int(now - replica.acknowledged_at) if replica.state == ONLINE else 0
        fields.append(
            (
                f"slave{number}",
                f"ip={replica.host},port={replica.port},state={word},offset={replica.acknowledged},lag={lag}",
            )
        )
        number += 1
    offset = replication.offset
    backlog = replication.stream.backlog
    fields += [
        ("master_failover_state", replication.failover.name),
        ("master_replid", replication.replication_id),
        ("master_replid2", replication.replication_id2),
        ("master_repl_offset", offset),
        ("second_repl_offset", replication.second_offset),
        ("repl_backlog_active", int(backlog is not None)),
        ("repl_backlog_size", config.repl_backlog_size),
        ("repl_backlog_first_byte_offset", backlog.first if backlog is not None else 0),
        ("repl_backlog_histlen", backlog.length if backlog is not None else 0),
    ]
    return fields


def stats_fields(replication: Replication) -> Fields:
    """The fields of the section ``stats`` about replication."""
    master = replication.master
    return [
        ("total_net_repl_input_bytes", replication.follower.bytes_received),
        ("total_net_repl_output_bytes", master.bytes_sent),
        ("sync_full", master.full_syncs),
        ("sync_partial_ok", master.partial_syncs),
        ("sync_partial_err", master.failed_partial_syncs),
        ("slave_expires_tracked_keys", len(replication.own_keys)),
    ]


def role_reply(replication: Replication) -> Reply:
    """The reply of ROLE."""
    follower = replication.follower
    if replication.is_replica:
        offset = follower.offset if follower.connected else -1
        return [b"slave", (follower.host or "").encode("latin-1"), follower.port, follower.stage.encode(), offset]
    replicas = [
        [
            replica.host.encode("latin-1"),
            b"%d" % replica.port,
            b"%d" % replica.acknowledged,
        ]
        for replica in replication.master.replicas.values()
        if replica.state == ONLINE
    ]
    return [b"master", replication.offset, replicas]
