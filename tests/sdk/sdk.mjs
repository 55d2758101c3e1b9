// The OpenAI SDK for Node against a daemon: `node sdk.mjs CASE`.
//
// SDK_URL is the daemon's address, SDK_KEY its key, SDK_MODULES where the SDK is. What is expected stands here;
// tests/it/sdk.rs sets the scene.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const OpenAI = createRequire(`${process.env.SDK_MODULES}/`)('openai')

const client = (session, options = {}) =>
  new OpenAI({
    baseURL: `${process.env.SDK_URL}/v1`,
    apiKey: process.env.SDK_KEY,
    defaultHeaders: session ? { 'x-turnmux-session': session } : {},
    ...options,
  })

const say = (text) => ({ model: 'claude-code', messages: [{ role: 'user', content: text }] })

const raises = async (kind, call) => {
  const given = await call().catch((error) => error)
  assert.equal(given?.constructor, kind, `${kind.name} expected, not ${given?.stack ?? JSON.stringify(given)}`)
  return given
}

const all = async (stream) => {
  const chunks = []
  for await (const chunk of await stream) chunks.push(chunk)
  return chunks
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')

const cases = {
  // The same with the stand-in and with the real claude.
  async answers() {
    const session = client('sdk::node')
    const completion = await session.chat.completions.create(say('one'))
    assert.equal(completion.choices[0].message.content, 'You said: one [turn 1]')
    assert.equal(completion.choices[0].finish_reason, 'stop')
    assert.ok(completion.usage.total_tokens > 0)

    let chunks = await all(session.chat.completions.create({ ...say('two'), stream: true }))
    assert.equal(textOf(chunks), 'You said: two [turn 2]')
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop')
    assert.ok(chunks.every((chunk) => !chunk.usage))

    chunks = await all(
      session.chat.completions.create({ ...say('three'), stream: true, stream_options: { include_usage: true } }),
    )
    assert.deepEqual(chunks.at(-1).choices, [])
    assert.ok(chunks.at(-1).usage.completion_tokens > 0)

    // The SDK's own way to put a stream together again.
    const whole = await session.chat.completions.stream(say('four')).finalChatCompletion()
    assert.equal(whole.choices[0].message.content, 'You said: four [turn 4]')

    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'four' },
      { role: 'assistant', content: 'You said: four [turn 4]' },
      { role: 'user', content: [{ type: 'text', text: 'five' }] },
    ]
    // More text than the user's may reach the agent, for the instructions are new to it; the answer is to the newest.
    const { data, response } = await session.chat.completions.create({ model: 'claude-code', messages }).withResponse()
    assert.match(data.choices[0].message.content, /^You said: five \[turn /)
    assert.equal(response.headers.get('x-turnmux-session'), 'sdk::node')

    const models = (await all(session.models.list())).map((model) => model.id)
    assert.deepEqual(models, ['claude-channel', 'claude-code', 'claude-code-opus', 'claude-code-sonnet'])
    assert.equal((await session.models.retrieve('claude-code-opus')).id, 'claude-code-opus')
  },

  async side_by_side() {
    const talk = async (number) => {
      const session = client(`sdk::${number}`)
      for (let turn = 1; turn <= 3; turn++) {
        const completion = await session.chat.completions.create(say(`hello ${number}`))
        assert.equal(completion.choices[0].message.content, `You said: hello ${number} [turn ${turn}]`)
      }
    }
    await Promise.all([0, 1, 2, 3, 4].map(talk))
  },

  async errors() {
    const bad = client('sdk::errors')
    let error = await raises(OpenAI.NotFoundError, () => bad.chat.completions.create({ ...say('x'), model: 'nope' }))
    assert.deepEqual([error.code, error.param], ['model_not_found', 'model'])
    await raises(OpenAI.NotFoundError, () => bad.models.retrieve('nope'))
    error = await raises(OpenAI.AuthenticationError, () =>
      client('sdk::errors', { apiKey: 'wrong' }).chat.completions.create(say('x')),
    )
    assert.equal(error.code, 'invalid_api_key')
    error = await raises(OpenAI.BadRequestError, () => bad.chat.completions.create({ ...say('x'), n: 2 }))
    assert.deepEqual([error.code, error.param], ['unsupported_parameter', 'n'])
    error = await raises(OpenAI.BadRequestError, () =>
      bad.chat.completions.create({ model: 'claude-code', messages: [] }),
    )
    assert.equal(error.param, 'messages')
    error = await bad.chat.completions.create(say('x'.repeat(70_000))).catch((error) => error)
    assert.equal(error.status, 413)
  },

  // The session's queue is full.
  async busy() {
    const session = client('busy::1', { maxRetries: 0 })
    for (const stream of [false, true]) {
      const error = await raises(OpenAI.RateLimitError, () => session.chat.completions.create({ ...say('x'), stream }))
      assert.equal(error.code, 'queue_full')
      assert.ok(Number(error.headers.get('retry-after')) >= 1)
    }
  },

  // With as many retries as the SDK makes by itself: a turn that reached an agent is not to run twice.
  async broken() {
    const session = client('sdk::node')
    let error = await raises(OpenAI.InternalServerError, () => session.chat.completions.create(say('whole\n::kill')))
    assert.deepEqual([error.status, error.code], [502, 'agent_lost'])

    const seen = []
    error = await raises(OpenAI.APIError, async () => {
      const text = 'streamed\n::say half\n::silent 0\n::kill'
      for await (const chunk of await session.chat.completions.create({ ...say(text), stream: true })) seen.push(chunk)
    })
    assert.equal(error.code, 'agent_lost')
    assert.match(error.message, /signal: 9/)
    assert.equal(textOf(seen), 'half')
  },

  // A timeout, and a stream that is aborted; both leave the turn alone.
  async leave() {
    const impatient = client('sdk::timeout', { timeout: 1000, maxRetries: 0 })
    await raises(OpenAI.APIConnectionTimeoutError, () => impatient.chat.completions.create(say('::silent')))
    const stream = await client('sdk::close').chat.completions.create({ ...say('::say begun\n::silent'), stream: true })
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) stream.controller.abort()
    }
    for (const name of ['sdk::timeout', 'sdk::close']) {
      const completion = await client(name).chat.completions.create(say('next'))
      assert.equal(completion.choices[0].message.content, 'You said: next [turn 2]')
    }
  },
}

await cases[process.argv[2]]()
