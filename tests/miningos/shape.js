/* SPDX-License-Identifier: MIT */
/*
 * shape.js: shapes of JSON values as data. A shape is
 *   "string" "int" "number" "bool" "object" "any"
 *   [SHAPE]                an array of such
 *   {key: SHAPE, "key?": SHAPE}   an object; a key with "?" may be absent; further keys are let be
 *   oneOf("a", "b")        one of these values
 *   either(SHAPE, ...)     any of these
 *   range(LOW, HIGH)       a finite number; whole(LOW, HIGH) an integer
 *   text(/pattern/, "what it is")
 *   rule(SHAPE, (value, complain) => ...)   further demands on a value of that shape
 * check() returns texts "PATH: what is wrong", none when all is well.
 */
'use strict'

const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v)
const show = (v) => String(JSON.stringify(v)).slice(0, 80)

const oneOf = (...values) => ({ $: 'oneOf', values })
const either = (...shapes) => ({ $: 'either', shapes })
const range = (low, high) => ({ $: 'range', low, high })
const whole = (low, high) => ({ $: 'range', low, high, whole: true })
const text = (pattern, what) => ({ $: 'text', pattern, what })
const rule = (shape, demand) => ({ $: 'rule', shape, demand })
const mapOf = (shape) => ({ $: 'map', shape })

const SIMPLE = {
	string: (v) => typeof v === 'string',
	int: (v) => Number.isSafeInteger(v),
	number: (v) => typeof v === 'number' && Number.isFinite(v),
	bool: (v) => typeof v === 'boolean',
	object: (v) => kind(v) === 'object',
	null: (v) => v === null,
	any: () => true
}

const SPECIAL = {
	oneOf: (s, v) => (s.values.includes(v) ? [] : [`${show(v)} is none of ${s.values.join(', ')}`]),
	range: (s, v) => {
		if (typeof v !== 'number' || !Number.isFinite(v))
			return [`a number is expected, not ${show(v)}`]
		if (s.whole && !Number.isSafeInteger(v))
			return [`${v} is not whole`]
		return v < s.low || v > s.high ? [`${v} is not within ${s.low} to ${s.high}`] : []
	},
	text: (s, v) => (typeof v === 'string' && s.pattern.test(v) ? [] : [`${show(v)} is not ${s.what}`]),
	either: (s, v, path) => {
		const all = s.shapes.map((shape) => check(v, shape, path))
		return all.some((p) => p.length === 0) ? [] : all.sort((a, b) => a.length - b.length)[0]
	},
	map: (s, v, path) => (kind(v) !== 'object' ? [`an object is expected, not ${show(v)}`]
		: Object.entries(v).flatMap(([k, e]) => check(e, s.shape, `${path}.${k}`))),
	rule: (s, v, path) => {
		const problems = check(v, s.shape, path)
		if (problems.length === 0)
			s.demand(v, (what, below = '') => problems.push(`${path}${below}: ${what}`))
		return problems
	}
}

function checkObject(value, shape, path) {
	if (kind(value) !== 'object')
		return [`${path}: an object is expected, not ${show(value)}`]
	return Object.entries(shape).flatMap(([name, inner]) => {
		const optional = name.endsWith('?')
		const key = optional ? name.slice(0, -1) : name
		if (!Object.hasOwn(value, key))
			return optional ? [] : [`${path}.${key}: missing`]
		return check(value[key], inner, `${path}.${key}`)
	})
}

function check(value, shape, path) {
	if (typeof shape === 'string')
		return SIMPLE[shape](value) ? [] : [`${path}: ${shape} is expected, not ${show(value)}`]
	if (Array.isArray(shape)) {
		if (!Array.isArray(value))
			return [`${path}: an array is expected, not ${show(value)}`]
		return value.flatMap((e, i) => check(e, shape[0], `${path}[${i}]`))
	}
	if (shape.$ !== undefined)
		return SPECIAL[shape.$](shape, value, path).map((p) => (p.startsWith(path) ? p : `${path}: ${p}`))
	return checkObject(value, shape, path)
}

module.exports = { check, either, mapOf, oneOf, range, rule, show, text, whole }
