/* SPDX-License-Identifier: MIT */
/*
 * identity.js: identity providers for the login: one of our own, whose page says yes at once; and
 * oauth2-mock-server, where $MININGOS_NODE_MODULES has that package.
 */
'use strict'

const crypto = require('node:crypto')
const http = require('node:http')
const { createRequire } = require('node:module')
const path = require('node:path')

function authorizeUrl(base, state, redirectUri) {
	const query = new URLSearchParams({
		response_type: 'code', client_id: 'app', scope: 'profile email', access_type: 'offline', state, redirect_uri: redirectUri
	})
	return `${base}/authorize?${query}`
}

class IdentityProvider {
	constructor(email) {
		Object.assign(this, { email, codes: new Map() })
	}

	async start() {
		this.server = http.createServer((request, response) => this.serve(new URL(request.url, 'http://x'), request, response))
		await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
		this.url = `http://127.0.0.1:${this.server.address().port}`
		return this
	}

	async close() {
		this.server.closeAllConnections()
		await new Promise((resolve) => this.server.close(resolve))
	}

	async serve(url, request, response) {
		if (url.pathname === '/authorize') {
			const code = crypto.randomUUID()
			const back = new URL(url.searchParams.get('redirect_uri'))
			this.codes.set(code, back.href)
			back.searchParams.set('code', code)
			back.searchParams.set('state', url.searchParams.get('state'))
			response.writeHead(302, { location: back.href }).end()
			return
		}
		let body = ''
		for await (const part of request)
			body += part
		const form = new URLSearchParams(body)
		const good = url.pathname === '/token' && this.codes.get(form.get('code')) === form.get('redirect_uri')
		this.codes.delete(form.get('code'))
		response.writeHead(good ? 200 : 400, { 'content-type': 'application/json' })
		response.end(JSON.stringify(good ? { access_token: 'a', token_type: 'Bearer', email: this.email } : { error: 'invalid_grant' }))
	}

	authorizeUrl(state, redirectUri) {
		return authorizeUrl(this.url, state, redirectUri)
	}

	async exchange(code, redirectUri) {
		const body = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app' })
		const answer = await fetch(`${this.url}/token`, { method: 'POST', body })
		if (!answer.ok)
			throw new Error('no token')
		return (await answer.json()).email
	}
}

/* The package's server, with the e-mail address in its access tokens. */
class NpmIdentityProvider {
	constructor(email) {
		this.email = email
	}

	async start() {
		const load = createRequire(path.join(path.resolve(process.env.MININGOS_NODE_MODULES), 'x.js'))
		this.server = new (load('oauth2-mock-server').OAuth2Server)()
		await this.server.issuer.keys.generate('RS256')
		await this.server.start(0, '127.0.0.1')
		this.server.service.on('beforeTokenSigning', (token) => { token.payload.email = this.email })
		this.url = this.server.issuer.url
		return this
	}

	close() {
		return this.server.stop()
	}

	authorizeUrl(state, redirectUri) {
		return authorizeUrl(this.url, state, redirectUri)
	}

	async exchange(code, redirectUri) {
		if (!code)
			throw new Error('no code')
		const body = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app' })
		const answer = await fetch(`${this.url}/token`, { method: 'POST', body })
		if (!answer.ok)
			throw new Error('no token')
		const [, payload] = (await answer.json()).access_token.split('.')
		return JSON.parse(Buffer.from(payload, 'base64url')).email
	}
}

module.exports = { IdentityProvider, NpmIdentityProvider }
