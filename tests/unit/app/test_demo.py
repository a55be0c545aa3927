"""The demo tells nobody: its alarms are not real."""

from __future__ import annotations

from safelight.app import App
from safelight.channels.webhook import Webhook
from safelight.config import Config
from safelight.config.defaults import sources_of
from safelight.demo import Demo
from safelight.store.lock import Lock


def peers_of(directory, demo=None):
    config = Config(channels=(Webhook(name="team", url="http://127.0.0.1:1/"),))
    lock = Lock.take(directory)
    try:
        with App.open(config, directory, lock, url="http://127.0.0.1:1", demo=demo) as app:
            return [*app.config.channels, *app.alerting.engine.channels(), *sources_of(app.config)]
    finally:
        lock.release()


def test_no_channel_and_no_comfyui_of_the_configuration_hears_of_the_demo(tmp_path):
    demo = Demo.under(tmp_path / "demo", 1.0)
    assert peers_of(demo.data, demo) == []
    assert peers_of(tmp_path / "real")
