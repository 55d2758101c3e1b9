"""The OpenAI SDK for Python against a daemon: `python sdk.py CASE`.

SDK_URL is the daemon's address, SDK_KEY its key. What is expected stands here; tests/it/sdk.rs sets the scene.
"""

import asyncio
import os
import sys

import openai
from openai import AsyncOpenAI, OpenAI

URL = os.environ["SDK_URL"] + "/v1"
KEY = os.environ["SDK_KEY"]


def client(session=None, key=KEY, kind=OpenAI, **options):
    headers = {"x-turnmux-session": session} if session else {}
    return kind(base_url=URL, api_key=key, default_headers=headers, **options)


def say(text):
    return {"model": "claude-code", "messages": [{"role": "user", "content": text}]}


def raises(kind, call):
    try:
        given = call()
    except openai.OpenAIError as error:
        assert type(error) is kind, f"{kind.__name__} expected, not {error!r}"
        return error
    raise AssertionError(f"{kind.__name__} expected, not {given!r}")


def answers():
    """The same with the stand-in and with the real claude."""
    session = client("sdk::python")
    completion = session.chat.completions.create(**say("one"))
    assert completion.choices[0].message.content == "You said: one [turn 1]", completion
    assert completion.choices[0].finish_reason == "stop", completion
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0

    chunks = list(session.chat.completions.create(**say("two"), stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "You said: two [turn 2]", chunks
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)

    options = {"include_usage": True}
    chunks = list(session.chat.completions.create(**say("three"), stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0, chunks[-1]

    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "three"},
        {"role": "assistant", "content": "You said: three [turn 3]"},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "four"}]},
    ]
    # More text than the user's may reach the agent, for the instructions are new to it; the answer is to the newest.
    raw = session.chat.completions.with_raw_response.create(model="claude-code", messages=history, temperature=0.5)
    assert raw.parse().choices[0].message.content.startswith("You said: four [turn "), raw.text
    assert raw.headers["x-turnmux-session"] == "sdk::python"
    assert raw.headers["x-turnmux-ignored"] == "temperature"

    models = [model.id for model in session.models.list()]
    assert models == ["claude-channel", "claude-code", "claude-code-opus", "claude-code-sonnet"], models
    assert session.models.retrieve("claude-code-opus").id == "claude-code-opus"


def side_by_side():
    async def run():
        async def talk(number):
            session = client(f"sdk::{number}", kind=AsyncOpenAI)
            for turn in range(1, 4):
                completion = await session.chat.completions.create(**say(f"hello {number}"))
                expected = f"You said: hello {number} [turn {turn}]"
                assert completion.choices[0].message.content == expected, completion

        await asyncio.gather(*(talk(number) for number in range(5)))

    asyncio.run(run())


def errors():
    bad = client("sdk::errors")
    error = raises(openai.NotFoundError, lambda: bad.chat.completions.create(model="nope", messages=say("x")["messages"]))
    assert error.code == "model_not_found" and error.param == "model" and "claude-code" in error.message, error
    raises(openai.NotFoundError, lambda: bad.models.retrieve("nope"))
    error = raises(openai.AuthenticationError, lambda: client(key="wrong").chat.completions.create(**say("x")))
    assert error.code == "invalid_api_key", error
    error = raises(openai.BadRequestError, lambda: bad.chat.completions.create(**say("x"), n=2))
    assert error.param == "n" and error.code == "unsupported_parameter", error
    error = raises(openai.BadRequestError, lambda: bad.chat.completions.create(model="claude-code", messages=[]))
    assert error.param == "messages", error
    error = raises(openai.APIStatusError, lambda: bad.chat.completions.create(**say("x" * 70_000)))
    assert error.status_code == 413, error


def busy():
    """The session's queue is full."""
    session = client("busy::1", max_retries=0)
    for stream in (False, True):
        error = raises(openai.RateLimitError, lambda: session.chat.completions.create(**say("x"), stream=stream))
        assert error.code == "queue_full" and int(error.response.headers["retry-after"]) >= 1, error


def broken():
    """With as many retries as the SDK makes by itself: a turn that reached an agent is not to run twice."""
    session = client("sdk::python")
    error = raises(openai.InternalServerError, lambda: session.chat.completions.create(**say("whole\n::kill")))
    assert error.status_code == 502 and error.code == "agent_lost", error

    seen = []

    def read():
        for chunk in session.chat.completions.create(**say("streamed\n::say half\n::silent 0\n::kill"), stream=True):
            seen.append(chunk.choices[0].delta.content or "")

    error = raises(openai.APIError, read)
    assert error.code == "agent_lost" and "signal: 9" in error.message, error
    assert "".join(seen) == "half", seen


def leave():
    """A timeout, and a stream that is closed; both leave the turn alone."""
    impatient = client("sdk::timeout", timeout=1, max_retries=0)
    raises(openai.APITimeoutError, lambda: impatient.chat.completions.create(**say("::silent")))
    stream = client("sdk::close").chat.completions.create(**say("::say begun\n::silent"), stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            stream.close()
            break
    for name in ("sdk::timeout", "sdk::close"):
        completion = client(name).chat.completions.create(**say("next"))
        assert completion.choices[0].message.content == "You said: next [turn 2]", completion


{case.__name__: case for case in (answers, side_by_side, errors, busy, broken, leave)}[sys.argv[1]]()
