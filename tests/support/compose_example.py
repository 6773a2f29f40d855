"""A Compose file in which every key that is known stands at least once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EXAMPLE = """\
name: shop
x-anything: [free]
secrets:
  stripe_key: {external: true, name: shop_stripe_key, x-tower: {version: 3}}
configs:
  site: {external: true, name: site_config, x-tower: {version: 2}}
  motd: {content: "hello", name: shop_greeting}
  page: {file: ./page.html}
x-tower-environments:
  staging:
    services: {web: {deploy: {replicas: 2}}}
    secrets: {stripe_key: {external: true, name: test_stripe_key}}
    configs: {motd: {content: "hello, staging"}}
services:
  web:
    image: registry.example.com/shop/web:1.8.2
    command: serve --port 8080
    entrypoint: [/init]
    environment: {MODE: production}
    env_file: [web.env, {path: more.env, format: raw}, {path: absent.env, required: false}]
    ports: ["9000", {target: 53, protocol: udp, host_ip: 127.0.0.1}]
    expose: ["8080"]
    volumes:
      - cache:/cache
      - {type: volume, source: data, target: /data, read_only: true, volume: {nocopy: true}}
      - {type: tmpfs, target: /scratch, tmpfs: {size: 64m, mode: "0700"}}
    tmpfs: ["/run:size=16m,mode=0755"]
    secrets: [{source: stripe_key, target: stripe, uid: "1000", gid: "1000", mode: "0400"}]
    configs: [site, motd, {source: page, target: /www/index.html}]
    healthcheck:
      {test: [CMD, /up], interval: 2s, timeout: 3s, retries: 4, start_period: 5s, start_interval: 1s}
    labels: {team: web}
    stop_grace_period: 40s
    stop_signal: SIGINT
    restart: on-failure:5
    user: "1000:1000"
    group_add: [44]
    working_dir: /app
    hostname: web
    domainname: example.com
    init: true
    read_only: true
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE]
    privileged: true
    devices: ["/dev/fuse", {source: /dev/net/tun, target: /dev/tun, permissions: r}]
    security_opt: [no-new-privileges]
    ulimits: {nproc: 512, nofile: {soft: 1024, hard: 4096}}
    sysctls: {net.core.somaxconn: 512}
    shm_size: 128m
    extra_hosts: ["db:10.0.0.5"]
    dns: 10.0.0.2
    dns_search: [example.com]
    dns_opt: ["ndots:1"]
    logging: {driver: json-file, options: {max-size: 10m}}
    oom_score_adj: 100
    platform: linux/amd64
    pull_policy: always
    depends_on: {db: {condition: service_healthy, restart: true, required: true}}
    deploy:
      mode: replicated
      replicas: 6
      labels: {tier: front}
      update_config:
        order: start-first
        parallelism: 2
        delay: 5s
        monitor: 20s
        failure_action: pause
        max_failure_ratio: 0.1
      rollback_config: {parallelism: 3}
      restart_policy: {condition: on-failure, delay: 5s, max_attempts: 4, window: 2m}
      placement:
        constraints: ["node.labels.tier==app", "node.hostname != db1"]
        preferences: [{spread: node.labels.zone}]
        max_replicas_per_node: 2
      resources:
        limits: {cpus: "1.5", memory: 512M, pids: 100}
        reservations: {cpus: "0.25", memory: 256M}
    x-tower:
      route:
        {host: shop.example.com, path: /app, port: 8080, health: /ready, sticky: cookie, tls: redirect,
         slow_start: 30s}
      strategy: canary
      rolling: {max_surge: 3, max_unavailable: 1}
      blue_green:
        steps: [20, {weight: 100}]
        preview_replicas: 2
        auto_promote: false
        approve_timeout: 1h
        monitor: 4m
        keep_blue: 9m
      canary:
        steps: [{weight: 5, for: 4m, pause: approve}, 50]
        approve_timeout: 2h
        keep: 3m
      analysis:
        budget: 0.5%
        warmup: 30s
        min_requests: 200
        on_inconclusive: rollback
        silence: 2m
        min_effect: 0.1%
        margin: 2%
        error_rate: 3%
        success_rate: 95%
        latency: {p50: 100ms, p95: 300ms, p99: 1s, ratio: 1.25}
        metrics:
          - {metric: memory_bytes, max: 512MiB, min: 1k, ratio_max: 1.5, for: 30s}
          - {metric: oom_kills, max: 0}
      start_deadline: 90s
      pull_deadline: 5m
      progress_deadline: 15m
      retries: 2
      drain: {timeout: 20s, websockets: 5m}
      failover: none
      pin_host: node-1
      placement: {apart_from: [db], headroom: 20}
      hooks:
        pre_deploy: [{command: [/app/migrate], timeout: 10m, retry: true}]
        post_deploy: [{command: /app/warm}]
  db:
    image: postgres:16
    healthcheck: {disable: true}
    mem_limit: 1g
    mem_reservation: 512m
    cpus: 2
    pids_limit: 50
    logging: {driver: local}
    x-tower:
      singleton: manual
      route: {host: db.example.com, port: 80, health_path: /db}
  worker:
    image: worker:1
    scale: 2
    ports: [{target: 25, published: 2525}]
    deploy: {update_config: {order: stop-first}}
  api:
    image: api:1
    mem_limit: 256m
    x-tower:
      route: {host: api.example.com, port: 80}
      scaling:
        min: 2
        max: 10
        cpu: 70%
        memory: 80%
        requests_per_second: 100
        latency_p95: 250ms
        up_window: 15s
        down_window: 10m
        tolerance: 5%
        step_up: 50%
        step_down: 25%
        cooldown: 30s
      watch:
        tag: follow
        every: 5m
        min_age: 48h
        window: {cron: "0 3 * * *", duration: 2h, timezone: Europe/Berlin}
        strategy: canary
  old:
    image: old:1
    x-tower:
      strategy: blue-green
      route: {host: old.example.com, port: 80}
      blue_green: {switch_steps: [30, 100]}
      canary:
        analysis: {errors: {max_rate: 2%}, latency: {max_p95_ratio: 1.5}}
        min_requests: 70
        warmup: 45s
        on_inconclusive: promote
"""

EXAMPLE_FILES = {"web.env": "FROM_FILE=1\n", "more.env": "RAW='2'\n", "./page.html": "<html/>"}


def _service(keys: dict[str, Any], *path: str) -> dict[str, Any]:
    for key in reversed(path):
        keys = {key: keys}
    return {"name": "shop", "services": {"web": {"image": "nginx:1", **keys}}}


SECTION_EXAMPLES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "top": lambda keys: {"name": "shop", "services": {"web": {"image": "nginx:1"}}, **keys},
    "service": _service,
    "volume": lambda keys: _service({"volumes": [{"target": "/a", **keys}]}),
    "volume_options": lambda keys: _service({"volumes": [{"target": "/a", "volume": keys}]}),
    "secret": lambda keys: {**_service({}), "secrets": {"key": {"external": True, **keys}}},
    "config": lambda keys: {**_service({}), "configs": {"key": {"external": True, **keys}}},
    "deploy": lambda keys: _service(keys, "deploy"),
    "reservations": lambda keys: _service(keys, "deploy", "resources", "reservations"),
}
"""A file with keys in one section, and nothing else of note."""
