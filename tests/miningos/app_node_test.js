/* SPDX-License-Identifier: MIT */
/*
 * app_node_test.js: miningos as a client of the app-node: login, renewal, lost tokens, and an app-node that is
 * not well. Scenario 7 of the reference, and what it says of tokens in section 10.
 */
'use strict'

const assert = require('node:assert')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

const { freePort } = require('./daemon')
const { IdentityProvider } = require('./identity')
const { RACK, withSite } = require('./site')
const { SLOW, pause, test, wait } = require('./suite')

/* Seconds; 5 is the least that an app-node has. It is renewed in time also where all is slow. */
const TTL = 10 * SLOW

/* Follows redirects as a browser does, with its cookies (the ports are one host to it); the last page. */
async function browse(url) {
	const cookies = new Map()
	for (let i = 0; i < 10; i++) {
		const response = await fetch(url, { redirect: 'manual', headers: { cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') } })
		for (const cookie of response.headers.getSetCookie()) {
			const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
			cookies.set(name, value)
		}
		const location = response.headers.get('location')
		if (location === null)
			return { status: response.status, text: await response.text() }
		url = new URL(location, url).href
	}
	throw new Error('redirects without end')
}

/* Runs F(site, {login, call, status, until}) on a site whose app-node knows a provider at which EMAIL
 * is logged in. */
async function withLogin(options, f, email = 'operator@example.com') {
	const identity = await new IdentityProvider(email).start()
	const callback = `http://127.0.0.1:${await freePort()}/callback`
	try {
		await withSite({
			...options, miningos: { oauth_callback_url: callback, http_timeout: '5s', ...options.miningos },
			tokens: { ttl: TTL, ...options.tokens }, app: { identity, callbackUriUI: callback }
		}, async (site) => {
			const ask = (method, params) => site.daemon.call('miningos', method, params)
			const call = async (endpoint, args = {}) => (await ask('rest_call', { endpoint, arguments: args })).answer
			const status = () => ask('oauth_status')
			const until = (state) => wait(`oauth_status is ${state}`, async () => {
				const now = await status()
				if (now.state !== state)
					throw new Error(JSON.stringify(now))
				return now
			})
			const login = async () => {
				const { url } = await ask('oauth_login')
				const page = await browse(url)
				assert.strictEqual(page.status, 200, page.text)
				return until('ready')
			}
			await f(site, { ask, call, status, until, login, callback })
		})
	} finally {
		await identity.close()
	}
}

/* Requests to the app-node since the count BEFORE, of VERB and PATH. */
const since = (site, before, where) => site.app.requests.slice(before).filter((r) => r.path === where)

test('7: login in the browser; a token that is kept safe, and renewed with its roles', () => withLogin({ miners: { a: 50000 } }, async (site, { call, login, status, ask }) => {
	const first = await login()
	assert.deepEqual(first.roles, ['field_operator'])
	const file = path.join(site.daemon.directory, 'token.json')
	assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
	/* Over several lives of a token every call is answered, with the rights of the roles. */
	const end = Date.now() + 3 * TTL * 1000
	while (Date.now() < end) {
		assert.ok(Array.isArray(await call('miners', { limit: 1, overwriteCache: true })))
		await pause(500)
	}
	const now = await status()
	assert.ok(now.renewals >= 2, JSON.stringify(now))
	assert.deepEqual(now.roles, ['field_operator'])
	assert.deepEqual(since(site, 0, '/auth/miners').filter((r) => r.status !== 200), [])
	for (const r of since(site, 0, '/auth/token'))
		assert.strictEqual(r.status, 200)
	/* It outlives the role. */
	await site.daemon.restart('miningos')
	await wait('calls go on after a restart, without login', async () => Array.isArray(await call('miners')))
	await ask('oauth_logout')
	await assert.rejects(call('miners'), /log in/)
	assert.ok(!fs.existsSync(file) || !fs.readFileSync(file, 'utf8').includes('access_token'))
}))

test('7: calls with their parameters; answers per ork; an action from here', () => withLogin({ miners: { a: 50000 } }, async (site, { call, login }) => {
	await site.until('there is a thing', (list) => list.length === 1)
	await login()
	const [[thing]] = await call('list-things', { query: { tags: { $in: ['t-miner'] } }, fields: { code: 1, id: 1 }, limit: 1, offset: 0, sort: { code: 1 } })
	assert.deepEqual(Object.keys(thing).sort(), ['code', 'id'])
	assert.deepEqual((await call('list-racks', { type: 'miner' })).map((l) => l.length), [2])
	await call('save-settings', { rackId: RACK, entries: { a: 'ü&=%"' } })
	assert.strictEqual((await call('settings', { rackId: RACK }))[0].success.a, 'ü&=%"')
	await wait('the log has an aggregate', async () => (await call('tail-log', { key: 'stat-rtd', type: 'miner', tag: 't-miner', overwriteCache: true }))[0].length > 0)
	const [{ id }] = await call('push-action', { query: { id: thing.id }, action: 'reboot', params: [] })
	const [{ result }] = await site.results(id)
	assert.strictEqual(result.success, true)
	const [{ done }] = await call('actions', { queries: [{ type: 'done', query: { id } }], overwriteCache: true })
	assert.strictEqual(done[0].status, 'COMPLETED')
	const two = await call('push-action', { query: {}, action: 'rackReboot', params: [] })
	assert.deepEqual((await call('cancel-actions', { ids: [two[0].id] }))[0].res[0].success, true)
	await assert.rejects(call('push-action', { query: {}, action: 'makeCoffee', params: [] }), /ERR_ORK_ACTION_CALLS_EMPTY/)
	await assert.rejects(call('vote-action', { id: 1, approve: true }), /ERR_ACTION_ID_NOT_FOUND/)
}))

/* How often the app-node may be asked by whom it has told that no token of his is good. */
const PATIENT = 15

/* In STATE nothing hammers the app-node, and calls say that somebody has to log in. */
async function isPatient(site, { call, until }, state) {
	await until(state)
	const before = site.app.requests.length
	for (let i = 0; i < 5; i++)
		await assert.rejects(call('userinfo'))
	await pause(5000)
	assert.ok(site.app.requests.length - before <= PATIENT, `${site.app.requests.length - before} requests`)
}

test('7: an app-node that was restarted: all tokens are dead, and a login mends it', () => withLogin({ tokens: { ttl: 300 } }, async (site, r) => {
	await r.login()
	const { port } = site.app
	await site.stopApp()
	await assert.rejects(r.call('userinfo'))
	await site.startApp(port)
	await assert.rejects(r.call('userinfo'))
	await isPatient(site, r, 'login-needed')
	await r.login()
	assert.strictEqual((await r.call('userinfo')).metadata.email, 'operator@example.com')
}))

test('7: a token that was revoked, and one that was pasted', () => withLogin({ tokens: { ttl: 300 } }, async (site, r) => {
	await r.login()
	site.app.tokens.revokeAll()
	const before = site.app.requests.length
	await assert.rejects(r.call('userinfo'))
	assert.ok(since(site, before, '/auth/userinfo').length <= 3, 'a refused call was repeated more than once')
	await isPatient(site, r, 'login-needed')
	await r.ask('oauth_login', { token: site.token('admin') })
	assert.deepEqual((await r.until('ready')).roles, ['admin'])
	assert.strictEqual((await r.call('userinfo')).metadata.email, 'admin@example.com')
	await assert.rejects(r.ask('oauth_login', { token: 'no token' }))
}))

test('7: a renewal with lost roles', () => withLogin({}, async (site, r) => {
	await r.login()
	/* An administrator takes the role away: the renewal that repeats it is refused. */
	site.app.tokens.users.get('operator@example.com').roles = []
	await wait('a renewal was refused', () => site.app.requests.some((q) => q.path === '/auth/token' && q.status !== 200))
	await wait('calls fail', () => r.call('miners', { overwriteCache: true }).then(() => false, () => true))
	const before = site.app.requests.length
	await pause(5000)
	assert.ok(site.app.requests.length - before <= PATIENT, `${site.app.requests.length - before} requests`)
	site.app.tokens.users.get('operator@example.com').roles = ['field_operator']
	await r.login()
	assert.ok(Array.isArray(await r.call('miners', { overwriteCache: true })))
}))

for (const hours of [-1, 1])
	test(`G: the app-node's clock is ${Math.abs(hours)} h ${hours < 0 ? 'behind' : 'ahead'}`, () => withLogin({ tokens: { now: () => Date.now() + hours * 3600e3 } }, async (site, { call, login, status }) => {
		await login()
		const end = Date.now() + 2.5 * TTL * 1000
		while (Date.now() < end) {
			assert.strictEqual((await call('userinfo')).metadata.email, 'operator@example.com')
			await pause(500)
		}
		assert.ok((await status()).renewals >= 1)
		assert.ok(since(site, 0, '/auth/token').length <= 8, `${since(site, 0, '/auth/token').length} renewals`)
	}))

test('G: a login with an address that is not known, and answers to no login', () => withLogin({}, async (site, { ask, callback, status, until, login }) => {
	const { url } = await ask('oauth_login')
	await browse(url)
	await wait('the login has failed', async () => /ERR_USER_INVALID/.test(JSON.stringify(await status())))
	/* Who only knows the callback has not begun the login, and can't end it. */
	await ask('oauth_login')
	const forged = await fetch(`${callback}?authToken=${site.token('admin')}`, { redirect: 'manual' }).then((x) => x.status, () => 'closed')
	assert.notStrictEqual(forged, 200)
	for (const rubbish of ['/', '/callback', '/callback?authToken=', '/callback?error=%00', `/callback?x=${'x'.repeat(8000)}`, '/../../etc/passwd'])
		await fetch(new URL(rubbish, callback)).catch(() => {})
	assert.notStrictEqual((await status()).state, 'ready')
}, 'stranger@example.com'))

/* --- an app-node that is not well --- */

const MB = Buffer.alloc(1 << 20, ' ')

/* What it does to each request. */
const SICK = {
	'no JSON': (q, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'),
	'HTML': (q, r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<html>index</html>'),
	'not per ork': (q, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('{"things":[]}'),
	'null per ork': (q, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('[null,7,"x"]'),
	'deep': (q, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('['.repeat(100000)),
	'500': (q, r) => r.writeHead(500).end('oops'),
	'503 without a body': (q, r) => r.writeHead(503).end(),
	'400 with a control character': (q, r) => r.writeHead(400).end('{"statusCode":400,"message":"ERR_\\u001b[31mX"}'),
	'a redirect without end': (q, r) => r.writeHead(302, { location: q.url }).end(),
	'a redirect elsewhere': (q, r) => r.writeHead(302, { location: `http://127.0.0.2:1${q.url}` }).end(),
	'closed': (q, r) => r.destroy(),
	'closed in the middle': (q, r) => {
		r.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
		r.write('[[', () => r.destroy())
	},
	'nothing': () => {},
	'drop by drop': (q, r) => {
		r.writeHead(200, { 'content-type': 'application/json' })
		const timer = setInterval(() => r.write(' '), 500)
		r.on('close', () => clearInterval(timer))
	},
	'100 MB': (q, r) => {
		r.writeHead(200, { 'content-type': 'application/json' })
		let left = 100
		const more = () => {
			while (left-- > 0)
				if (!r.write(MB))
					return r.once('drain', more)
			return r.end()
		}
		r.on('error', () => {})
		more()
	},
	'401 for ever': (q, r) => r.writeHead(401, { 'content-type': 'application/json' }).end('{"statusCode":401,"error":"Unauthorized","message":"ERR_AUTH_FAIL"}')
}

test('G: an app-node that is not well: each call ends with an error, and the role lives', () => withLogin({ tokens: { ttl: 300 } }, async (site, { call, login }) => {
	await login()
	const pid = await site.daemon.pid('miningos')
	const { port } = site.app
	for (const [what, sick] of Object.entries(SICK)) {
		await site.app.close()
		let asked = 0
		const server = http.createServer((q, r) => {
			asked++
			sick(q, r)
		})
		await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve) })
		const started = Date.now()
		await assert.rejects(call('list-things', { limit: 1, overwriteCache: true }), `${what}: it was taken`)
		assert.ok(Date.now() - started < 40000 * SLOW, `${what}: ${Date.now() - started} ms`)
		assert.ok(asked >= 1 && asked <= 20, `${what}: asked ${asked} times`)
		server.closeAllConnections()
		await new Promise((resolve) => { server.close(resolve) })
		const { tokens } = site.app
		await site.startApp(port)
		site.app.tokens = tokens
	}
	await login()
	assert.deepEqual(await call('list-things', { limit: 1 }).then((a) => a.length), 1)
	assert.strictEqual(await site.daemon.pid('miningos'), pid)
}))
