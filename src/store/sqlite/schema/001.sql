-- Schema 1. Times are milliseconds since 1970; numbers that name rows are this file's own.

CREATE TABLE meta (
    -- One row. What the file says of itself.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    in_use INTEGER NOT NULL -- 1 while a daemon has the file open, and still after it was killed: then the file is checked.
) STRICT;
INSERT INTO meta (id, in_use) VALUES (1, 0);

CREATE TABLE sessions (
    -- A conversation of a tenant: what is needed to go on with it.
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,      -- whose it is: the API key's name, or 'local'
    agent TEXT NOT NULL,       -- the first half of its key
    chat TEXT NOT NULL,        -- the second half; '' is none
    key TEXT GENERATED ALWAYS AS (agent || CASE chat WHEN '' THEN '' ELSE '::' || chat END) VIRTUAL, -- as in the API
    backend TEXT NOT NULL,     -- of its last turn
    driver TEXT NOT NULL,
    thread TEXT,               -- the agent's own id of the conversation
    directory ANY NOT NULL,    -- where the agent runs; a BLOB where the path is not UTF-8
    instructions TEXT,         -- the system prompt that the thread goes by
    generation INTEGER NOT NULL, -- how often it was given a new thread
    boundary INTEGER,          -- the caller's count of conversations
    seq INTEGER NOT NULL,      -- the number of its last event
    reserved INTEGER NOT NULL, -- no event beyond this number was shown
    turns INTEGER NOT NULL,    -- how many reached the agent
    answered INTEGER NOT NULL, -- 1 when a turn of the thread came to its end
    first_turn TEXT,           -- the turn (turn_…) with which the thread's conversation began
    model TEXT,                -- what its clients chose over the configuration
    permission TEXT,           -- likewise
    allowed TEXT NOT NULL,     -- tools that may run unasked, a JSON array
    closed INTEGER NOT NULL,   -- 1: takes nothing until it is reset
    named INTEGER NOT NULL,    -- 0: no caller named it, so that nobody is expected to come back
    saved_at INTEGER NOT NULL, -- when this row was last written; no two are the same
    UNIQUE (tenant, agent, chat)
) STRICT;
-- Which session gives way when there are too many.
CREATE INDEX sessions_by_save ON sessions (named, saved_at);

CREATE TABLE turns (
    -- One input to a session and how it ended.
    id INTEGER PRIMARY KEY,
    turn TEXT NOT NULL UNIQUE, -- its id as in the API, turn_…
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    tenant TEXT NOT NULL,      -- the session's
    backend TEXT NOT NULL,
    status TEXT NOT NULL,      -- queued, in_progress, completed, interrupted, failed
    thread TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,          -- 0: it is being deleted
    first_seq INTEGER NOT NULL, -- its events have numbers from this one
    last_seq INTEGER,          -- to this one; those of the session's other turns may lie between
    ending INTEGER,            -- the number of its ending
    given INTEGER NOT NULL,    -- 1: an agent has it, or was about to: it is never run again
    unread INTEGER NOT NULL    -- 1: nobody read it when it ended
) STRICT;
CREATE INDEX turns_by_tenant ON turns (tenant, accepted_at);
CREATE INDEX turns_by_session ON turns (session, accepted_at);
CREATE INDEX turns_open ON turns (session) WHERE ended_at IS NULL;
CREATE INDEX turns_ended ON turns (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE reruns (
    -- What is needed to run a turn after a restart, until an agent is given it.
    turn INTEGER PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
    request TEXT NOT NULL,     -- JSON
    directory ANY NOT NULL     -- as in sessions
) STRICT;

CREATE TABLE names (
    -- Idempotency-Key headers: under one name a tenant's request runs once.
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    turn INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    digest INTEGER NOT NULL,   -- of the rest of the request
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX names_by_turn ON names (turn);

CREATE TABLE tags (
    -- What callers call their turns.
    turn INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (turn, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (name, value);

CREATE TABLE events (
    -- What happened in a session, numbered from 1. A row of kind text_delta or reasoning_delta holds one piece or several in a
    -- row: then the next row's number is accordingly higher.
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,      -- the number; of several pieces, the first's
    turn INTEGER NOT NULL,     -- turns.id
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,        -- as in the API: user_text, text_delta, tool_use, turn_completed, …
    text TEXT,                 -- what was said; of tool_use and permission_asked the arguments, of error the message
    data TEXT,                 -- everything else, a JSON object
    pieces BLOB,               -- of several pieces, the length of each in bytes: LEB128 numbers one after the other
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE tool_calls (
    -- The tools that agents used. Arguments and results are the text of the events asked and answered.
    turn INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    call TEXT NOT NULL,        -- the agent's id of the call
    name TEXT NOT NULL,
    asked INTEGER NOT NULL,    -- the number of its tool_use in events
    asked_at INTEGER NOT NULL,
    answered INTEGER,          -- the number of its tool_result
    answered_at INTEGER,
    is_error INTEGER,          -- whether it failed
    PRIMARY KEY (turn, call)
) STRICT, WITHOUT ROWID;
