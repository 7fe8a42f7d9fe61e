/* SPDX-License-Identifier: MIT */
/*
 * rest_scenarios.js: the REST client of aditd's miningos and its login, against the app-node's stand-in:
 * scenario 7 (tokens), and every endpoint that the stand-in has. The role runs alone, without the bridge.
 */
'use strict'

const assert = require('node:assert')
const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const https = require('node:https')
const path = require('node:path')

const { AppNode } = require('./app_node')
const { Daemon, freePort } = require('./daemon')
const { FakeRack } = require('./fake_rack')
const { IdentityProvider, NpmIdentityProvider } = require('./identity')
const { Network } = require('./network')
const { Ork } = require('./ork')
const { BUILD } = require('./daemon')
const { skip, test, wait } = require('./suite')

const EMAIL = 'operator@example.com'
const ROLES = ['site_manager', 'field_operator']

class Stage {
	constructor({ tokens = {}, app = {}, keys = {} } = {}) {
		Object.assign(this, { tokenOptions: tokens, appOptions: app, keys })
	}

	async start() {
		this.network = await new Network().start()
		this.ork = await new Ork(this.network.make(), { interval: 50 }).start()
		await this.startApp()
		this.daemon = new Daemon()
		this.daemon.configure('host', {
			state_dir: path.join(this.daemon.directory, 'state'), run_dir: this.daemon.directory,
			plugin_dir: path.join(BUILD, 'stage/plugins'), log_level: 'debug'
		})
		this.daemon.configure('node', { backend: 'embedded', network: 'regtest' })
		this.cache = path.join(this.daemon.directory, 'token.json')
		this.daemon.configure('miningos', { p2p_enabled: 'no', app_node_url: this.app.url, token_cache_file: this.cache, ...this.keys })
		await this.daemon.start()
		await this.daemon.running()
		return this
	}

	/* The same port after a restart; all tokens are new. */
	async startApp(port = 0) {
		this.app = await new AppNode({ net: this.network.make(), orks: [this.ork.key], tokens: this.tokenOptions, ...this.appOptions }).start(port)
		this.app.tokens.addUser(EMAIL, ROLES)
		this.app.tokens.addUser('second@example.com', ROLES)
		this.app.tokens.addUser('reader@example.com', ['read_only_user'])
	}

	token(email = EMAIL, ips = ['127.0.0.1']) {
		const user = this.app.tokens.users.get(email)
		return this.app.tokens.make(user, user.roles, ips)
	}

	call(method, params) {
		return this.daemon.call('miningos', method, params)
	}

	status() {
		return this.call('oauth_status')
	}

	until(state) {
		return wait(`the client is ${state}`, async () => {
			const s = await this.status()
			if (s.state !== state)
				throw new Error(JSON.stringify(s))
			return s
		})
	}

	async login(email) {
		await this.call('oauth_login', { token: this.token(email) })
		return this.until('ready')
	}

	async rest(endpoint, args) {
		return (await this.call('rest_call', { endpoint, arguments: args || {} })).answer
	}

	/* How often a path was asked for with that status. */
	count(verb, where, status) {
		return this.app.requests.filter((r) => r.verb === verb && r.path === where && (status === undefined || r.status === status)).length
	}

	async close() {
		await this.daemon.stop()
		await this.app.close()
		await this.ork.close()
		await this.network.close()
		assert.deepEqual([...new Set([...this.app.violations])], [])
	}

	async abandon() {
		if (this.daemon && this.daemon.child && this.daemon.end === undefined) {
			this.daemon.child.kill('SIGKILL')
			await this.daemon.ended
		}
		if (this.daemon && fs.existsSync(this.daemon.log))
			console.log(`--- end of ${this.daemon.log}\n${this.daemon.tail(4000)}---`)
		for (const what of [this.app, this.ork, this.network])
			await what.close().catch(() => {})
	}
}

async function withStage(options, f) {
	const stage = new Stage(options)
	try {
		await stage.start()
		await f(stage)
		await stage.close()
	} catch (e) {
		await stage.abandon().catch((more) => console.log(more))
		throw e
	}
}

/* No token stands in the log, nor in what the role tells. */
async function assertSecret(stage, ...secrets) {
	const said = JSON.stringify(await stage.status()) + fs.readFileSync(stage.daemon.log, 'utf8')
	for (const secret of secrets)
		assert.ok(!said.includes(secret), 'a token is told')
}

const cached = (stage) => JSON.parse(fs.readFileSync(stage.cache, 'utf8'))

/* A browser: follows redirects, with cookies per host. */
async function browse(url) {
	const cookies = new Map()
	for (let i = 0; i < 10; i++) {
		const at = new URL(url)
		const answer = await new Promise((resolve, reject) => {
			http.get(url, { headers: cookies.has(at.host) ? { cookie: cookies.get(at.host) } : {} }, resolve).on('error', reject)
		})
		answer.resume()
		for (const line of answer.headers['set-cookie'] || [])
			cookies.set(at.host, line.split(';')[0])
		if (answer.headers.location === undefined)
			return { status: answer.statusCode, url }
		url = new URL(answer.headers.location, url).href
	}
	throw new Error('too many redirects')
}

test('7: a login in the browser comes back to the loopback listener', async () => {
	const identity = await new IdentityProvider(EMAIL).start()
	const callback = `http://127.0.0.1:${await freePort()}/callback`
	try {
		await withStage({ app: { identity, callbackUriUI: callback }, keys: { oauth_callback_url: callback } }, async (stage) => {
			const before = await stage.until('login-needed')
			assert.match(before.next, /aditctl miningos login/)
			await assert.rejects(stage.rest('list-things'), /login needed/)
			const { url, listener } = await stage.call('oauth_login', {})
			assert.strictEqual(listener, callback)
			assert.strictEqual((await stage.status()).state, 'login-pending')
			const end = await browse(url)
			assert.strictEqual(end.status, 200)
			const status = await stage.until('ready')
			assert.strictEqual(status.email, EMAIL)
			assert.deepEqual(status.roles, ROLES)
			assert.deepEqual(await stage.rest('list-things'), [[]])
			await assertSecret(stage, new URL(end.url).searchParams.get('authToken'))
			/* Nobody listens any more. */
			await assert.rejects(browse(end.url))
		})
		await withStage({ app: { identity, callbackUriUI: callback }, keys: { oauth_callback_url: callback } }, async (stage) => {
			identity.email = 'stranger@example.com'
			const { url } = await stage.call('oauth_login', {})
			await browse(url)
			assert.match((await stage.until('login-needed')).problem, /ERR_USER_INVALID/)
		})
	} finally {
		await identity.close()
	}
})

for (const mode of ['jwt', 'database'])
	test(`7: a pasted token is renewed with its roles before it expires (${mode})`, () => withStage({ tokens: { ttl: 5, mode }, keys: { oauth_token_ttl: '5s' } }, async (stage) => {
		const first = stage.token()
		await stage.call('oauth_login', { token: `${first}\n` })
		await wait('it was renewed three times', async () => stage.count('POST', '/auth/token', 200) >= 3)
		const status = await stage.until('ready')
		assert.deepEqual(status.roles, ROLES)
		assert.strictEqual(status.lost_roles, undefined)
		await wait('it may write', async () => (await stage.status()).write === true)
		assert.deepEqual(await stage.rest('list-things'), [[]])
		assert.strictEqual(stage.count('POST', '/auth/token', 401), 0)
		assert.strictEqual(fs.statSync(stage.cache).mode & 0o7777, 0o600)
		assert.notStrictEqual(cached(stage).access_token, first)
		await assertSecret(stage, first, cached(stage).access_token)
		/* Over a restart of the role. */
		await stage.daemon.restart('miningos')
		await stage.until('ready')
		assert.deepEqual(await stage.rest('list-racks', { type: 'miner' }), [[]])
	}))

test('7: a token that was revoked, an app-node that was restarted: login needed, and a new one helps', () => withStage({}, async (stage) => {
	await stage.login()
	stage.app.tokens.revokeAll()
	await assert.rejects(stage.rest('list-things'), /login needed/)
	const status = await stage.until('login-needed')
	assert.match(status.problem, /expired|restarted/)
	assert.ok(!fs.existsSync(stage.cache))
	await stage.login()
	assert.deepEqual(await stage.rest('list-things', { limit: 1 }), [[]])

	const { port } = stage.app
	await stage.app.close()
	await assert.rejects(stage.rest('list-things', { limit: 2 }), /app-node/)
	assert.notStrictEqual((await stage.status()).state, 'login-needed')
	await stage.startApp(port)
	await assert.rejects(stage.rest('list-things', { limit: 3 }), /login needed/)
	await stage.login()
	assert.deepEqual(await stage.rest('list-things', { limit: 4 }), [[]])
}))

test('7: a token that is refused once is renewed, and what was asked is asked again', () => withStage({}, async (stage) => {
	await stage.login()
	await wait('nothing is under way', async () => (await stage.status()).write !== undefined)
	const { find } = stage.app.tokens
	let refusals = 0
	stage.app.tokens.find = function (header, ips) {
		const session = find.call(this, header, ips)
		return session !== null && refusals++ === 0 ? null : session
	}
	assert.deepEqual(await stage.rest('list-things', { limit: 7 }), [[]])
	assert.strictEqual(stage.count('GET', '/auth/list-things', 401), 1)
	assert.strictEqual(stage.count('GET', '/auth/list-things', 200), 1)
	assert.strictEqual(stage.count('POST', '/auth/token', 200), 1)
	await stage.until('ready')
}))

test('7: a renewal that lost roles is noticed', () => withStage({ tokens: { ttl: 5 } }, async (stage) => {
	const { renew } = stage.app.tokens
	stage.app.tokens.renew = function (session, body, seen) {
		assert.deepEqual(body.roles, ROLES)
		return renew.call(this, session, { ...body, roles: body.roles.slice(1) }, seen)
	}
	await stage.login()
	const status = await wait('roles are missing', async () => {
		const s = await stage.status()
		return s.lost_roles && s
	})
	assert.deepEqual(status.lost_roles, ROLES.slice(0, 1))
	assert.match(status.problem, /site_manager/)
	stage.app.tokens.renew = renew
	await wait('they are there again', async () => (await stage.status()).lost_roles === undefined)
}))

test('7: a token of another address is told for what it is', () => withStage({}, async (stage) => {
	await assert.rejects(stage.call('oauth_login', { token: stage.token(EMAIL, ['10.0.0.9']) }), /address/)
	assert.strictEqual((await stage.status()).state, 'login-needed')
	assert.ok(!fs.existsSync(stage.cache))
}))

test('7: clocks differ', () => withStage({ tokens: { ttl: 30, now: () => Date.now() - 86400000 } }, async (stage) => {
	await stage.login()
	const status = await wait('it is renewed and has a life', async () => {
		const s = await stage.status()
		return s.renewals > 0 && s.state === 'ready' && s.expires_in > 10 && s
	})
	assert.ok(status.renews_in > 10 && status.expires_in <= 30, JSON.stringify(status))
	assert.deepEqual(await stage.rest('list-things'), [[]])
}))

test('7: a token of the environment', async () => {
	process.env.MININGOS_ACCESS_TOKEN = 'nobody-knows-this-token'
	try {
		await withStage({}, async (stage) => {
			assert.match((await stage.until('login-needed')).problem, /does not take the token/)
			await assertSecret(stage, process.env.MININGOS_ACCESS_TOKEN)
		})
	} finally {
		delete process.env.MININGOS_ACCESS_TOKEN
	}
})

/* aditctl with a line on its standard input. */
function aditctlReads(stage, line, ...args) {
	const child = spawn(path.join(BUILD, 'host/aditctl/aditctl'), ['-s', stage.daemon.socket, ...args])
	let text = ''
	for (const stream of [child.stdout, child.stderr])
		stream.on('data', (d) => { text += d })
	child.stdin.on('error', () => {})
	child.stdin.end(line)
	return new Promise((resolve) => { child.on('close', (status) => resolve({ status, text })) })
}

test('aditctl miningos login, oauth-status, logout', () => withStage({}, async (stage) => {
	const begun = await stage.daemon.aditctl('miningos', 'login')
	assert.strictEqual(begun.status, 0, begun.text)
	assert.ok(begun.text.includes(`${stage.app.url}/oauth/google`), begun.text)
	assert.match(begun.text, /miningos login -/)
	const empty = await aditctlReads(stage, '\n', 'miningos', 'login', '-')
	assert.strictEqual(empty.status, 2, empty.text)
	const wrong = await aditctlReads(stage, 'no-such-token\n', 'miningos', 'login', '-')
	assert.notStrictEqual(wrong.status, 0)
	assert.match(wrong.text, /does not take this token/)
	const token = stage.token()
	const right = await aditctlReads(stage, `http://localhost:3000/?authToken=${token}\n`, 'miningos', 'login', '-')
	assert.strictEqual(right.status, 0, right.text)
	assert.ok(!right.text.includes(token))
	const shown = await stage.daemon.aditctl('miningos', 'oauth-status')
	for (const part of [/^state +ready$/m, /^email +operator@example.com$/m, /^roles +site_manager, field_operator$/m, /^renews in +\d+ s$/m])
		assert.match(shown.text, part)
	assert.strictEqual((await stage.daemon.aditctl('miningos', 'rest', 'list-things', '{"limit":1}')).status, 0)
	const vote = await stage.daemon.aditctl('miningos', 'vote', '5', 'yes')
	assert.match(vote.text, /ERR_ACTION_ID_NOT_FOUND/)
	await stage.daemon.aditctl('miningos', 'logout')
	assert.match((await stage.daemon.aditctl('miningos', 'oauth-status')).text, /^state +login-needed$/m)
}))

/* What the stand-in takes is checked by it, down to the last parameter. */
const READS = {
	'list-things': { query: { tags: { $in: ['t-miner'] } }, status: true, offset: 0, limit: 5, fields: { id: 1, last: 1 }, sort: { id: 1 }, overwriteCache: true },
	'list-racks': { type: 'miner', overwriteCache: true },
	miners: { filter: { status: 'mining' }, sort: { id: 1 }, fields: { id: 1 }, search: 'MINER', offset: 0, limit: 200 },
	settings: { rackId: 'miner-fake-1' },
	'worker-config': { type: 'miner', fields: { poolConfig: 1 } },
	'thing-config': { type: 'miner', requestType: 'nextAvailableCode' },
	'ext-data': { type: 'minerpool', query: { key: 'stats' } },
	pools: { query: { pool: 'x' }, sort: { name: 1 }, fields: { name: 1 } },
	actions: { queries: [{ type: 'voting' }, { type: 'done' }], groupBatch: false },
	'actions-batch': { ids: [1, 2] },
	'tail-log': { key: 'stat-rtd', type: 'miner', tag: 't-miner', limit: 1, aggrFields: { hashrate_mhs_5m_sum_aggr: 1 } },
	'tail-log-multi': { keys: [{ key: 'stat-rtd', type: 'miner', tag: 't-miner' }], limit: 1 },
	'history-log': { logType: 'alerts', limit: 10 },
	userinfo: {},
	permissions: {}
}

test('every endpoint is asked as the app-node takes it', () => withStage({}, async (stage) => {
	const rack = await new FakeRack(stage.network.make(), { id: 'miner-fake-1', type: 'miner-fake', count: 120 }).start()
	stage.ork.registerRack(rack.registration)
	await stage.login()
	for (const [endpoint, args] of Object.entries(READS)) {
		const { answer } = await stage.call('rest_call', { endpoint, arguments: args })
		assert.ok(answer !== null && typeof answer === 'object', endpoint)
	}
	const [page] = await stage.rest('list-things', { limit: 100, offset: 100 })
	assert.strictEqual(page.length, 20)
	const thing = page[0]
	await stage.rest('save-settings', { rackId: rack.id, entries: { a: 1 } })
	await stage.rest('add-comment', { rackId: rack.id, thingId: thing.id, comment: 'caf\u00e9 & "more"' })

	/* A vote of one's own, a done action, and one that is cancelled. */
	const [pushed] = await stage.rest('push-action', { query: { id: thing.id }, action: 'reboot', params: [] })
	const [action] = await wait('it is done', async () => {
		const answer = await stage.rest('action', { type: 'done', id: pushed.id, overwriteCache: true }).catch(() => null)
		return answer && answer[0].status && answer
	})
	assert.strictEqual(action.status, 'COMPLETED')
	const [batch] = await stage.rest('push-actions', {
		batchActionsPayload: [{ query: { id: thing.id }, action: 'reboot', params: [] }], batchActionUID: 'all', suffix: 's'
	})
	assert.ok(batch[0].id)
	const [nothing] = [await stage.rest('push-action', { query: { id: 'nobody' }, action: 'makeCoffee', params: [] }).catch((e) => e.message)]
	assert.match(nothing, /ERR_ORK_ACTION_CALLS_EMPTY/)
	const [two] = await stage.rest('push-action', { query: {}, action: 'rackReboot', params: [{ rackId: rack.id }] })
	await assert.rejects(stage.rest('vote-action', { id: two.id, approve: true }), /ERR_VOTER_EXISTS/)
	await stage.rest('cancel-actions', { ids: [two.id] })
	await assert.rejects(stage.rest('cancel-actions', { ids: [two.id] }), /ERR_/)
	const vote = await stage.daemon.aditctl('call', 'miningos', 'rest_call', JSON.stringify({ endpoint: 'vote-action', arguments: { id: 5, approve: true } }))
	assert.match(vote.text, /ERR_ACTION_ID_NOT_FOUND/)
}))

test('what a role may not do is told, and is no reason to log in again', () => withStage({}, async (stage) => {
	await stage.login('reader@example.com')
	await assert.rejects(stage.rest('push-action', { query: {}, action: 'reboot', params: [] }), /ERR_WRITE_PERM_REQUIRED/)
	await assert.rejects(stage.rest('add-comment', { rackId: 'r', thingId: 't', comment: 'c' }), /permission/)
	await wait('it is known not to write', async () => (await stage.status()).write === false)
	assert.strictEqual((await stage.status()).state, 'ready')
}))

test('ten thousand things come in pages within 10 s', () => withStage({ keys: { http_max_answer: 64 } }, async (stage) => {
	const rack = await new FakeRack(stage.network.make(), { id: 'miner-fake-1', type: 'miner-fake', count: 10000 }).start()
	stage.ork.registerRack(rack.registration)
	await stage.login()
	const started = Date.now()
	const { count, items } = await stage.call('rest_list', { endpoint: 'list-things', arguments: { fields: { id: 1, code: 1 } }, limit: 1000 })
	assert.strictEqual(new Set(items.map((t) => t.id)).size, 10000)
	assert.strictEqual(count, 10000)
	console.log(`        ${Date.now() - started} ms`)
}))

test('https: a certificate that nobody vouches for is refused, one of http_ca_file is taken', () => withStage({}, async (stage) => {
	const key = path.join(stage.daemon.directory, 'key.pem')
	const cert = path.join(stage.daemon.directory, 'cert.pem')
	try {
		execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost',
			'-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' })
	} catch (e) {
		skip('needs openssl')
	}
	const server = https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, (q, r) => stage.app.serve(q, r))
	await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
	try {
		stage.daemon.configure('miningos', { app_node_url: `https://localhost:${server.address().port}` })
		await stage.daemon.reload()
		await wait('the other address is in use', async () => (await stage.status()).app_node.startsWith('https'))
		await assert.rejects(stage.call('oauth_login', { token: stage.token() }), /certificate/i)
		stage.daemon.configure('miningos', { http_ca_file: cert })
		await stage.daemon.reload()
		await wait('the certificate is taken', async () => {
			await stage.login()
			return true
		})
		assert.deepEqual(await stage.rest('list-things'), [[]])
		/* Another name than the certificate's. */
		stage.daemon.configure('miningos', { app_node_url: `https://127.0.0.1:${server.address().port}` })
		await stage.daemon.reload()
		await wait('the third address is in use', async () => (await stage.status()).app_node.includes('127.0.0.1'))
		await assert.rejects(stage.call('oauth_login', { token: stage.token() }), /certificate|SSL/i)
	} finally {
		server.closeAllConnections()
		await new Promise((resolve) => { server.close(resolve) })
	}
}))

/* A gateway that takes the tokens of an OAuth2 server, oauth2-mock-server, for users of the app-node. */
test('an authorization code of oauth2-mock-server, and its refresh token', async () => {
	if (!process.env.MININGOS_NODE_MODULES)
		skip('MININGOS_NODE_MODULES has to have oauth2-mock-server')
	const identity = await new NpmIdentityProvider(EMAIL).start()
	const callback = `http://127.0.0.1:${await freePort()}/callback`
	const grants = []
	identity.server.service.on('beforeTokenSigning', (token, request) => {
		grants.push(request.body.grant_type)
		token.payload.exp = token.payload.iat + 5
	})
	identity.server.service.on('beforeResponse', (answer) => { answer.body.expires_in = 5 })
	try {
		await withStage({ keys: {
			oauth_callback_url: callback, oauth_authorize_url: `${identity.url}/authorize`, oauth_token_url: `${identity.url}/token`,
			oauth_client_id: 'adit', oauth_client_secret: 'a secret'
		} }, async (stage) => {
			stage.app.tokens.find = (header) => {
				const [, payload] = (/^Bearer (\S+)$/.exec(header || '') || ['', ''])[1].split('.')
				const claims = payload ? JSON.parse(Buffer.from(payload, 'base64url')) : {}
				const user = stage.app.tokens.users.get(claims.email)
				return user && claims.exp * 1000 > Date.now() ? { user, roles: user.roles, ips: [], permissions: ['miner:rw'], superAdmin: false } : null
			}
			const { url } = await stage.call('oauth_login', {})
			assert.ok(url.startsWith(`${identity.url}/authorize?`))
			assert.strictEqual((await browse(url)).status, 200)
			const status = await stage.until('ready')
			assert.strictEqual(status.kind, 'oauth2')
			assert.strictEqual(status.email, EMAIL)
			assert.deepEqual(await stage.rest('list-things'), [[]])
			await wait('it was renewed twice', async () => (await stage.status()).renewals >= 2)
			assert.deepEqual([...new Set(grants)], ['authorization_code', 'refresh_token'])
			assert.strictEqual(stage.count('POST', '/auth/token'), 0)
			assert.deepEqual(await stage.rest('list-racks', { type: 'miner' }), [[]])
		})
	} finally {
		await identity.close()
	}
})

require('./suite').runAll()
