"""What the statements that write a task's row name."""

from __future__ import annotations

from dataclasses import replace

from dreamos_tasks.model.task import TASK_FIELDS, Task
from dreamos_tasks.stores.rows import COLUMNS
from dreamos_tasks.stores.task_writes import COLUMNS_OF, VALUES, differing_fields, insert_of, update_of
from tests.fakes import at


def test_every_field_of_a_task_has_its_columns_and_every_column_its_value() -> None:
    columns = {column for name in TASK_FIELDS for column in COLUMNS_OF.get(name, (name,))}

    assert columns == VALUES.keys()
    assert {column.strip() for column in COLUMNS.split(",")} - {"n", "last_seq"} <= VALUES.keys()


def test_an_update_names_only_what_differs() -> None:
    before = Task(task_id="dt-1", title="t", created_at=at(0), updated_at=at(0))
    task = replace(before, title="another")
    sql, row = update_of(task, differing_fields(before, task), last_seq=7, n=3)

    assert sql == "UPDATE task SET title = ?, last_seq = ? WHERE n = ?"
    assert row == ["another", 7, 3]


def test_an_insert_leaves_out_what_a_new_task_does_not_have() -> None:
    task = Task(task_id="dt-1", title="t", created_at=at(0), updated_at=at(0))
    sql, row = insert_of(task, last_seq=1, unmet=0)

    assert "claimed_by" not in sql
    assert "finished_at" not in sql
    assert sql.count("?") == len(row)
