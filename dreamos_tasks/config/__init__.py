"""Settings, and where a board lives. Light to import: what validates and describes is in `loading` and `catalogue`."""

from dreamos_tasks.config.cache import settings_for
from dreamos_tasks.config.home import Home, find_home, user_config
from dreamos_tasks.config.settings import (
    BoardSettings,
    BreakerSettings,
    ClaimSettings,
    DaemonSettings,
    Durability,
    EscalationStrategy,
    InboxSettings,
    Jitter,
    LimitSettings,
    LoggingSettings,
    LogLevel,
    MonitoringSettings,
    RetentionSettings,
    RetrySettings,
    ServerSettings,
    Settings,
    Store,
    ToolSettings,
)

__all__ = [
    "BoardSettings",
    "BreakerSettings",
    "ClaimSettings",
    "DaemonSettings",
    "Durability",
    "EscalationStrategy",
    "Home",
    "InboxSettings",
    "Jitter",
    "LimitSettings",
    "LogLevel",
    "LoggingSettings",
    "MonitoringSettings",
    "RetentionSettings",
    "RetrySettings",
    "ServerSettings",
    "Settings",
    "Store",
    "ToolSettings",
    "find_home",
    "settings_for",
    "user_config",
]
