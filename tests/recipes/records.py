"""The metadata of a weights file that a test makes without training."""

from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord


def metadata_of(name, classes, preprocessing, *, data=None, multi_label=False, **options):
    """Returns the metadata of a classifier of images, with nothing but the record of its run."""
    record = RunRecord(
        network=NetworkRecord(name=name, options=options),
        input=InputRecord(kind="image", options=preprocessing.to_json()),
        task=TaskRecord(name="classification", options={"multi_label": multi_label}, classes=tuple(classes)),
        data=data if data is None else DataRecord(**data),
    )
    return {"run": record.to_json()}
