"""driftlead: a monitor with its default settings, one budget over all features and tests."""


def in_blocks(reference, names, blocks):
    from driftlead.monitor import Monitor
    from driftlead.reference import ReferenceProfile
    from driftlead.signals import feature_signals

    profile = ReferenceProfile.from_rows(feature_signals(names), reference, model_hash="1")
    monitor, seen = Monitor(profile), 0
    for block in blocks:
        monitor.process(block)
        for alarm in monitor.snapshot().recent_alarms:
            if alarm.row > seen:
                yield alarm.row, [alarm.signal.removeprefix("feature:")]
        seen += len(block)


def row_by_row(reference, names, blocks):
    from driftlead.monitor import Monitor
    from driftlead.reference import ReferenceProfile
    from driftlead.signals import feature_signals

    profile = ReferenceProfile.from_rows(feature_signals(names), reference, model_hash="1")
    monitor, seen = Monitor(profile), 0
    for block in blocks:
        for number in range(len(block)):
            monitor.process(block[number : number + 1])
        for alarm in monitor.snapshot().recent_alarms:
            if alarm.row > seen:
                yield alarm.row, [alarm.signal.removeprefix("feature:")]
        seen += len(block)


def one_in_20_000(reference, names, blocks):
    from driftlead.monitor import Monitor, MonitorSettings
    from driftlead.reference import ReferenceProfile
    from driftlead.signals import feature_signals

    profile = ReferenceProfile.from_rows(feature_signals(names), reference, model_hash="1")
    monitor, seen = Monitor(profile, MonitorSettings(false_alarm_every=20_000)), 0
    for block in blocks:
        monitor.process(block)
        for alarm in monitor.snapshot().recent_alarms:
            if alarm.row > seen:
                yield alarm.row, [alarm.signal.removeprefix("feature:")]
        seen += len(block)
