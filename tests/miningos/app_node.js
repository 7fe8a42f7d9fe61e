/* SPDX-License-Identifier: MIT */
/*
 * app_node.js: a stand-in for MiningOS's app-node: its REST interface with status codes, tokens, and
 * answers that are kept for a while; what it tells it has from orchestrators. Left out are the paths of
 * 9.3 whose answers no rack has to do with (metrics, finance, work orders ...) and the web socket.
 */
'use strict'

const http = require('node:http')

const { check } = require('./shape')
const { parameters, route } = require('./app_routes')
const { Tokens } = require('./app_tokens')
const { ERROR } = require('./tables')

const ORK_MS = 15000
const KEPT_MS = 15000
const MOST_BODY = 8 << 20

class Refusal extends Error {
	constructor(status, message) {
		super(message)
		this.status = status
	}
}

const REASONS = { 400: 'Bad Request', 401: 'Unauthorized', 404: 'Not Found' }

class AppNode {
	/* NET: as for the ork, to reach ORKS (their keys). identity: {authorizeUrl(state, redirectUri),
	 * exchange(code, redirectUri) -> e-mail address}; callbackUriUI: where the browser goes with its token. */
	constructor({ net, orks, tokens = {}, identity = null, callbackUriUI = null, provider = 'google' }) {
		Object.assign(this, { net, orks, identity, callbackUriUI, provider })
		this.tokens = new Tokens(tokens)
		this.kept = new Map()
		this.violations = [] /* requests that are not as they have to be */
		this.requests = [] /* {verb, path, status, ip} */
	}

	async start(port = 0) {
		this.server = http.createServer((request, response) => this.serve(request, response))
		await new Promise((resolve, reject) => this.server.once('error', reject).listen(port, '127.0.0.1', resolve))
		this.port = this.server.address().port
		this.url = `http://127.0.0.1:${this.port}`
		return this
	}

	async close() {
		this.server.closeAllConnections()
		await new Promise((resolve) => this.server.close(resolve))
	}

	/* Asks one ork; its errors are thrown as they came, with their prefix. */
	async ask(ork, method, argument) {
		const answer = JSON.parse(await this.net.request(ork, method, Buffer.from(JSON.stringify(argument)), { timeout: ORK_MS }))
		if (typeof answer === 'string' && ERROR.test(answer))
			throw new Error(answer)
		return answer
	}

	async serve(request, response) {
		const url = new URL(request.url, this.url)
		const entry = { verb: request.method, path: url.pathname, search: url.search, status: 0, ip: request.socket.remoteAddress }
		this.requests.push(entry)
		let status = 200
		let body
		try {
			if (url.pathname.startsWith('/oauth/'))
				return await this.login(url, request, response, entry)
			body = await this.answer(request, url, entry)
		} catch (e) {
			status = e.status || 400
			body = { statusCode: status, error: REASONS[status], message: status !== 400 || /^ERR_/.test(e.message) ? e.message : 'Bad Request' }
		}
		entry.status = status
		entry.message = body && body.message
		response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
		response.end(JSON.stringify(body))
	}

	violation(entry, texts) {
		this.violations.push(...texts.map((t) => `${entry.verb} ${entry.path}${entry.search}: ${t}`))
		throw new Refusal(400, 'Bad Request')
	}

	async answer(request, url, entry) {
		const found = route(request.method, url.pathname)
		if (found === null) {
			if (url.pathname.startsWith('/auth'))
				this.violations.push(`${entry.verb} ${entry.path}: there is no such path`)
			throw new Refusal(404, `Route ${request.method}:${url.pathname} not found`)
		}
		const body = await this.body(request, entry)
		const seen = this.addresses(request)
		const session = this.tokens.find(request.headers.authorization, seen)
		if (session === null)
			throw new Refusal(401, 'ERR_AUTH_FAIL')
		const { route: r, names } = found
		if (r.needs !== undefined && !this.has(session, r.needs))
			throw new Refusal(401, 'ERR_AUTH_FAIL_NO_PERMS')
		let argument = body
		if (r.body === undefined) {
			try {
				argument = parameters(url.searchParams)
			} catch (e) {
				this.violation(entry, [e.message])
			}
		}
		const shape = r.body || r.takes
		const known = Object.keys(shape).map((k) => k.replace('?', ''))
		const wrong = [...check(argument, shape, ''), ...Object.keys(argument || {}).filter((k) => !known.includes(k)).map((k) => `${k} is not known`)]
		if (wrong.length > 0)
			this.violation(entry, wrong)
		return r.kept ? this.keep(url, () => r.run(this, argument, session, names, seen)) : r.run(this, argument, session, names, seen)
	}

	has(session, needs) {
		const [area, right] = needs.split(':')
		return session.permissions.some((p) => p.startsWith(`${area}:`) && p.split(':')[1].includes(right))
	}

	addresses(request) {
		const forwarded = (request.headers['x-forwarded-for'] || '').split(',').map((a) => a.trim()).filter((a) => a !== '')
		return [request.socket.remoteAddress, ...forwarded]
	}

	/* An answer is kept per path and parameters, not per user; equal requests in flight are one. */
	keep(url, make) {
		const search = new URLSearchParams([...url.searchParams].filter(([k]) => k !== 'overwriteCache').sort())
		const key = `${url.pathname}?${search}`
		const old = this.kept.get(key)
		const fresh = /^(true|1)$/.test(url.searchParams.get('overwriteCache') || '')
		if (old !== undefined && (old.pending || (!fresh && old.until > Date.now())))
			return old.value
		const entry = { pending: true, until: Date.now() + KEPT_MS, value: make() }
		this.kept.set(key, entry)
		Promise.resolve(entry.value).then(() => { entry.pending = false }, () => this.kept.delete(key))
		return entry.value
	}

	async body(request, entry) {
		const parts = []
		let size = 0
		for await (const part of request) {
			size += part.length
			if (size > MOST_BODY)
				throw new Refusal(413, 'too large')
			parts.push(part)
		}
		const text = Buffer.concat(parts).toString()
		if (text === '')
			return request.method === 'GET' ? undefined : {}
		if (!/^application\/json\b/.test(request.headers['content-type'] || ''))
			this.violation(entry, [`content-type ${request.headers['content-type']}, not application/json`])
		try {
			return JSON.parse(text)
		} catch (e) {
			return this.violation(entry, ['the body is no JSON'])
		}
	}

	/* /oauth/google sends the browser to the identity provider, .../callback brings it back. */
	async login(url, request, response, entry) {
		const callback = `${this.url}/oauth/${this.provider}/callback`
		const go = (where) => {
			entry.status = 302
			response.writeHead(302, { location: where }).end()
		}
		if (this.identity !== null && url.pathname === `/oauth/${this.provider}`)
			return go(this.identity.authorizeUrl(String(Math.random()).slice(2), callback))
		if (this.identity === null || url.pathname !== `/oauth/${this.provider}/callback`)
			throw new Refusal(404, `Route ${request.method}:${url.pathname} not found`)
		const target = new URL(this.callbackUriUI)
		try {
			const email = await this.identity.exchange(url.searchParams.get('code'), callback)
			const user = this.tokens.users.get(email)
			if (user === undefined)
				target.searchParams.set('error', 'ERR_USER_INVALID')
			else
				target.searchParams.set('authToken', this.tokens.make(user, user.roles, this.addresses(request)))
		} catch (e) {
			target.searchParams.set('error', 'ERR_AUTH_FAIL')
		}
		return go(target.href)
	}
}

module.exports = { AppNode }
