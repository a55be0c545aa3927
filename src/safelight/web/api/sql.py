"""`/sql`: one SELECT, in a child process that can reach nothing else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ... import answers
from ..reply import Json

router = APIRouter(tags=["events"])


class Question(BaseModel):
    """The body of `POST /sql`."""

    sql: Annotated[str, Field(max_length=16_384)]


@router.post("/sql")
def sql(request: Request, question: Question) -> Json:
    """The rows of a SELECT over `events` (also called `comfyui_logs`), at most 10,000 of them."""
    return Json(answers.sql(request.app.state.safelight.user_sql, question.sql))
