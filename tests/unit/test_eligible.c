// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a kernel answer would skip anything: Caddy's configuration written by hand, one row per rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "eligible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/eligible_of.h"

struct row {
	const char *routes; /* with ' for " */
	const char *host;
	const char *target;
	const char *why; /* a part of it; null: eligible */
};

static void rows_check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct answer a = routes_judge(rows[i].routes, rows[i].host, rows[i].target);

		if (a.eligible != !rows[i].why || (rows[i].why && !strstr(a.why, rows[i].why)))
			fail_msg("%s\n  %s%s: %s, not %s", rows[i].routes, rows[i].host, rows[i].target,
				 a.eligible ? "eligible" : a.why, rows[i].why ? rows[i].why : "eligible");
	}
}
#define CHECK(rows) rows_check(rows, sizeof(rows) / sizeof((rows)[0]))

#define OK    "{'handler':'static_response','body':'x'}"
#define AUTH  "{'handler':'authentication','providers':{}}"
#define PLUG  "{'handler':'coraza_waf'}"
#define PROXY "'handler':'reverse_proxy','upstreams':[{'dial':'127.0.0.1:1'}]"

static void handlers(void **state)
{
	static const struct row rows[] = {
		{"", "a", "/", NULL},
		{"{'handle':[" OK "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'file_server','root':'/srv','hide':['x'],'precompressed':{'gzip':{}}}]}", "a", "/", NULL},
		{"{'handle':[{'handler':'file_server','browse':{}}]}", "a", "/", "browse"},
		{"{'handle':[{'handler':'file_server','root':'{http.request.header.X}'}]}", "a", "/", "{http.request.header.X}"},
		{"{'handle':[{'handler':'file_server','root':'{http.vars.root}'}]}", "a", "/", NULL},
		{"{'handle':[{'handler':'file_server','new_thing':1}]}", "a", "/", "file_server.new_thing is not known"},
		{"{'handle':[{'handler':'encode','encodings':{'gzip':{}}}," OK "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'templates'}," OK "]}", "a", "/", "templates"},
		{"{'handle':[" AUTH "," OK "]}", "a", "/", "authentication"},
		{"{'handle':[{'handler':'metrics'}]}", "a", "/", "metrics"},
		{"{'handle':[{'handler':'acme_server'}]}", "a", "/", "acme_server"},
		{"{'handle':[{'handler':'tracing'}," OK "]}", "a", "/", "tracing"},
		{"{'handle':[{'handler':'rate_limit'}," OK "]}", "a", "/", "rate_limit"},
		{"{'handle':[" PLUG "," OK "]}", "a", "/", "handler coraza_waf: not known here"},
		{"{'handle':[{}]}", "a", "/", "(none)"},
		{"{'handle':[" OK "," PLUG "]}", "a", "/", NULL}, /* never reached */
		{"{'handle':[{'handler':'static_response','headers':{'{http.request.header.X}':['1']}}]}", "a", "/", "header.X"},
		{"{'handle':[{'handler':'error','status_code':404}]}", "a", "/", NULL},
		{"{'handle':[{'handler':'request_body','max_size':1}," OK "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'push'}," OK "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'log_append','key':'k','value':'{http.request.remote}'}," OK "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'vars','a':'{http.request.uuid}'}," OK "]}", "a", "/", "vars: {http.request.uuid}"},
		{"{'handle':'x'}", "a", "/", "malformed"},
		{"{'handle':[" OK "],'sometimes':1}", "a", "/", "sometimes is not known"},
		{"3", "a", "/", "malformed"},
	};

	(void)state;
	CHECK(rows);
}

static void proxies(void **state)
{
	static const struct row rows[] = {
		{"{'handle':[{" PROXY "}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'headers':{'request':{'set':{'X-Real-Ip':['{http.request.remote.host}']}}}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'headers':{'request':{'set':{'Host':['{http.reverse_proxy.upstream.hostport}']}}}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'headers':{'request':{'set':{'Host':['{http.request.header.X}']}}}}]}", "a", "/", "header.X"},
		{"{'handle':[{" PROXY ",'headers':{'request':{'set':{'Authorization':['{http.request.header.X}']}}}}]}", "a", "/", "header.X"},
		{"{'handle':[{" PROXY ",'headers':{'request':{'set':{'{http.request.header.X}':['1']}}}}]}", "a", "/", "placeholder"},
		{"{'handle':[{" PROXY ",'headers':{'request':{'delete':['Cookie','X']}}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'headers':{'request':{'maybe':{}}}}]}", "a", "/", "maybe is not known"},
		{"{'handle':[{" PROXY ",'headers':{'response':{'set':{'X':['{http.request.remote.host}']}}}}]}", "a", "/", "remote.host"},
		{"{'handle':[{" PROXY ",'headers':{'response':{'set':{'X':['{http.reverse_proxy.header.Y}']}}}}]}", "a", "/", NULL},
		{"{'handle':[{'handler':'reverse_proxy','upstreams':[{'dial':'{http.request.cookie.t}:1'}]}]}", "a", "/", "cookie.t"},
		{"{'handle':[{" PROXY ",'transport':{'protocol':'fastcgi','env':{'A':'{http.request.remote}'}}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'transport':{'protocol':'http','tls':{'server_name':'{http.request.header.X}'}}}]}", "a", "/", "header.X"},
		{"{'handle':[{" PROXY ",'load_balancing':{'selection_policy':{'policy':'least_conn'}}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'load_balancing':{'selection_policy':{'policy':'ip_hash'}}}]}", "a", "/", "ip_hash"},
		{"{'handle':[{" PROXY ",'load_balancing':{'selection_policy':{'policy':'header','field':'X'}}}]}", "a", "/", "lb_policy header"},
		{"{'handle':[{" PROXY ",'load_balancing':{'selection_policy':{'policy':'cookie'}}}]}", "a", "/", "lb_policy cookie"},
		{"{'handle':[{" PROXY ",'load_balancing':{'selection_policy':{'policy':'mine'}}}]}", "a", "/", "lb_policy mine"},
		{"{'handle':[{" PROXY ",'handle_response':[{'match':{'status_code':[2]},'routes':[]}]}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'handle_response':[{'match':{'status_code':[2]},'routes':[{'handle':[" OK "]}]}]}]}", "a", "/", "forward_auth"},
		{"{'handle':[{" PROXY ",'rewrite':{'method':'POST'}}]}", "a", "/", "changes the method"},
		{"{'handle':[{" PROXY ",'rewrite':{'uri':'/a{http.request.uri.path}'}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'transport':{'protocol':'http_ntlm'}}]}", "a", "/", "transport http_ntlm"},
		{"{'handle':[{" PROXY ",'dynamic_upstreams':{'source':'srv','name':'x'}}]}", "a", "/", NULL},
		{"{'handle':[{" PROXY ",'dynamic_upstreams':{'source':'by_visitor'}}]}", "a", "/", "dynamic_upstreams by_visitor"},
		{"{'handle':[{" PROXY ",'handle_response':[{'Routes':[{'handle':[" OK "]}]}]}]}", "a", "/", "lower case"},
		{"{'handle':[{" PROXY ",'headers':{'Response':{'set':{'X':['{http.request.remote.host}']}}}}]}", "a", "/", "lower case"},
		{"{'handle':[{" PROXY ",'handle_response':[{'route\xc5\xbf':[{'handle':[" OK "]}]}]}]}", "a", "/", "lower case"},
		{"{'handle':[{" PROXY ",'circuit_breaker':{}}]}", "a", "/", "circuit_breaker"},
		{"{'handle':[{'handler':'intercept','handle_response':[{'routes':[{'handle':[" OK "]}]}]}," OK "]}", "a", "/", "intercept"},
	};

	(void)state;
	CHECK(rows);
}

static void placeholders(void **state)
{
	static const struct {
		const char *body;
		bool known;
	} rows[] = {
		{"plain", true},
		{"{http.request.host} {http.request.uri.path.0} {http.request.orig_uri}", true},
		{"{http.request.host.labels.1}{http.request.hostport}{http.request.port}{http.request.scheme}", true},
		{"{http.request.uri.query.page}", true},
		{"{http.request.header.x-forwarded-proto}", true},
		{"{env.HOME}{system.hostname}", true},
		{"{\\\"status\\\":\\\"ok\\\",\\\"a\\\":{\\\"b\\\":1}}", true},
		{"body{color:red}", true},
		{"a{2}{2,3}", true},
		{"{open", true},
		{"{http.regexp.re.1}", true},
		{"{http.matchers.file.relative}", true},
		{"{http.request.remote}", false},
		{"{http.request.remote.host}", false},
		{"{\\\"ip\\\":\\\"{http.request.remote.host}\\\"}", false},
		{"{ {http.request.remote.host} }", false},
		{"{{http.request.remote.host}}", false},
		{"{http.request.client_ip}", false},
		{"{http.vars.client_ip}", false},
		{"{http.vars.else}", false},
		{"{http.request.uuid}", false},
		{"{http.request.header.Accept-Language}", false},
		{"{http.request.header.Accept-Encoding}", false},
		{"{http.request.cookie.a}", false},
		{"{http.request.method}", false},
		{"{http.request.body}", false},
		{"{http.request.tls.version}", false},
		{"{http.request.local.host}", false},
		{"{http.auth.user.id}", false},
		{"{http.error.id}", false},
		{"{http.error.message}", false},
		{"{time.now.unix}", false},
		{"{http.request.urix}", false},
		{"{geoip2.country_code}", false},
		{"{plugin}", false},
		{"\\\\{http.request.remote}", false}, /* escaped for Caddy; in doubt not */
	};
	char routes[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(routes, sizeof(routes), "{'handle':[{'handler':'static_response','body':'%s'}]}", rows[i].body);
		if (routes_judge(routes, "a", "/").eligible != rows[i].known)
			fail_msg("%s: %s", rows[i].body, routes_judge(routes, "a", "/").why);
	}
}

/* What handlers define is known as well, where it was made of what is known. */
static void definitions(void **state)
{
	static const struct row rows[] = {
		{"{'handle':[{'handler':'vars','a':'{http.request.host}'},{'handler':'static_response','body':'{http.vars.a}'}]}", "a", "/", NULL},
		{"{'handle':[{'handler':'vars','client_ip':'1'},{'handler':'static_response','body':'{http.vars.client_ip}'}]}", "a", "/", "client_ip"},
		{"{'handle':[{'handler':'map','source':'{http.request.uri.path}','destinations':['{x}'],'mappings':[{'input_regexp':'{no}','outputs':['1']}]},"
		 "{'handler':'static_response','body':'{x}'}]}", "a", "/", NULL},
		{"{'handle':[{'handler':'map','source':'{http.request.header.Y}','destinations':['{x}'],'mappings':[]}," OK "]}", "a", "/", "map: {http.request.header.Y}"},
		{"{'handle':[{'handler':'map','source':'a','destinations':['{x}'],'mappings':[{'input':'a','outputs':['{time.now}']}]}," OK "]}", "a", "/", "time.now"},
		{"{'handle':[{'handler':'map','source':'a','destinations':['{http.request.remote}']},{'handler':'static_response','body':'{http.request.remote}'}]}", "a", "/", "remote"},
		/* some expression of the configuration captures from request fields */
		{"{'handle':[{'handler':'static_response','body':'{http.regexp.1}'}]},{'match':[{'header_regexp':{}}],'handle':[" OK "]}", "a", "/", "http.regexp.1"},
		{"{'handle':[{'handler':'static_response','body':'{http.regexp.1}'}]},{'match':[{'host':['b'],'expression':'header_regexp(1)'}],'handle':[" OK "]}", "a", "/", "http.regexp.1"},
		{"{'handle':[{'handler':'static_response','body':'{http.matchers.file.relative}'}]},{'match':[{'file':{'try_files':['{http.request.header.X}']}}],'handle':[" OK "]}", "a", "/", "http.matchers"},
	};

	(void)state;
	CHECK(rows);
}

static void matchers(void **state)
{
#define GUARD(match) "{'match':[" match "],'handle':[" AUTH "]},{'handle':[" OK "]}"
	static const struct row rows[] = {
		{GUARD("{'path':['/admin/*']}"), "a", "/x", NULL},
		{GUARD("{'path':['/admin/*']}"), "a", "/admin/x", "authentication"},
		{GUARD("{'path':['/ADMIN/*']}"), "a", "/admin/x", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "/AdMin/x?y", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "/%61dmin/x", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "//admin/x", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "/b/../admin/x", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "/./admin/x", "authentication"},
		{GUARD("{'path':['/admin']}"), "a", "/admin.", "authentication"}, /* the same to 2.6 */
		{GUARD("{'path':['/admin']}"), "a", "/admin%20", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "/b%2f..%2fadmin/x", "authentication"},
		{GUARD("{'path':['/admin/*']}"), "a", "/caf%c3%a9", "authentication"}, /* in doubt */
		{GUARD("{'path':['/admin/*']}"), "a", "/a%20b", NULL},
		{GUARD("{'path':['/admin/*']}"), "a", "/admin", NULL},
		{GUARD("{'path':['/admin*']}"), "a", "/administer", "authentication"},
		{GUARD("{'path':['*.php']}"), "a", "/x.PHP", "authentication"},
		{GUARD("{'path':['*.php']}"), "a", "/x.php/", NULL},
		{GUARD("{'path':['*min*']}"), "a", "/admin/x", "authentication"},
		{GUARD("{'path':['*min*']}"), "a", "/x", NULL},
		{GUARD("{'path':['/a*z']}"), "a", "/q", "authentication"}, /* a glob is not told */
		{GUARD("{'path':['/%61*']}"), "a", "/q", "authentication"},
		{GUARD("{'path':['*']}"), "a", "/q", "authentication"},
		{GUARD("{'path':['/{http.request.host}/*']}"), "a", "/q", "authentication"},
		{GUARD("{'path':['/{http.request.header.X}/*']}"), "a", "/q", "matcher path: {http.request.header.X}"},
		{GUARD("{'path':'/q'}"), "a", "/q", "malformed"},
		{GUARD("{'host':['b.example']}"), "a.example", "/", NULL},
		{GUARD("{'host':['B.example']}"), "b.example:8080", "/", "authentication"},
		{GUARD("{'host':['*.example']}"), "b.example", "/", "authentication"},
		{GUARD("{'host':['*.example']}"), "a.b.example", "/", NULL},
		{GUARD("{'host':['::1']}"), "[::1]:80", "/", "authentication"},
		{GUARD("{'host':['c']}"), "a:b:c", "/", "authentication"}, /* what Caddy makes of it is not told */
		{GUARD("{'host':['b.example']}"), "b.example.", "/", NULL},
		{GUARD("{'host':['b\xc3\xbc.example']}"), "a.example", "/", "authentication"},
		{GUARD("{'host':['{env.H}']}"), "a.example", "/", "authentication"},
		{GUARD("{'path':['/x'],'host':['b']}"), "a", "/x", NULL},
		{GUARD("{'path':['/x']},{'host':['a']}"), "a", "/y", "authentication"},
		{GUARD("{'path_regexp':{'pattern':'^/x'}}"), "a", "/y", "authentication"},
		{GUARD("{'method':['POST','PUT']}"), "a", "/", NULL},
		{GUARD("{'method':['GET','HEAD']}"), "a", "/", "authentication"},
		{GUARD("{'method':['HEAD']}"), "a", "/", "tells GET from HEAD"},
		{GUARD("{'method':['get','head']}"), "a", "/", "upper case"},
		{GUARD("{'protocol':'https'}"), "a", "/", NULL},
		{GUARD("{'protocol':'http'}"), "a", "/", "authentication"},
		{GUARD("{'protocol':'http/2'}"), "a", "/", "authentication"},
		{GUARD("{'protocol':'grpc'}"), "a", "/", "Content-Type"},
		{GUARD("{'query':{'a':['1']}}"), "a", "/", "authentication"},
		{GUARD("{'query':{'a':['{http.request.cookie.c}']}}"), "a", "/", "cookie.c"},
		{GUARD("{'not':[{'path':['/x']}]}"), "a", "/x", NULL},
		{GUARD("{'not':[{'path':['/x']}]}"), "a", "/y", "authentication"},
		{GUARD("{'not':[{'path':['/x'],'host':['b']}]}"), "a", "/x", "authentication"},
		{GUARD("{'not':[{'remote_ip':{'ranges':['10.0.0.0/8']}}]}"), "a", "/x", "matcher remote_ip: depends on the visitor's address"},
		{GUARD("{'not':[{'not':[{'path':['/x']}]}]}"), "a", "/y", NULL},
		{GUARD("{'remote_ip':{}}"), "a", "/x", "remote_ip"},
		{GUARD("{'remote_ip':{},'path':['/y']}"), "a", "/x", NULL}, /* cannot apply */
		{GUARD("{'remote_ip':{}},{'path':['/x']}"), "a", "/x", "authentication"},
		{GUARD("{'client_ip':{}}"), "a", "/x", "client_ip"},
		{GUARD("{'header':{'X':['1']}}"), "a", "/x", "matcher header"},
		{GUARD("{'header':{'Upgrade':['websocket'],'Connection':['*Upgrade*']}}"), "a", "/x", NULL},
		{GUARD("{'header':{'Upgrade':null}}"), "a", "/x", "matcher header"},
		{GUARD("{'header_regexp':{}}"), "a", "/x", "header_regexp"},
		{GUARD("{'expression':'{http.request.method} == \\'GET\\''}"), "a", "/x", "expression"},
		{GUARD("{'expression':'remote_ip(1)'}"), "a", "/x", "expression"},
		{GUARD("{'expression':'{http.request.header.A} == 1'}"), "a", "/x", "header.A"},
		{GUARD("{'vars':{'{x}':['1']}}"), "a", "/x", "matcher vars"},
		{GUARD("{'vars_regexp':{}}"), "a", "/x", "vars_regexp"},
		{GUARD("{'tls':{}}"), "a", "/x", "matcher tls"},
		{GUARD("{'maxmind':{}}"), "a", "/x", "matcher maxmind: not known here"},
		{GUARD("{'file':{'try_files':['{http.request.uri.path}']}}"), "a", "/x", "authentication"},
		{"{'match':[{'file':{'try_files':['{http.request.uri.path}']}}],'handle':[" OK "]}", "a", "/x", NULL},
		{"{'match':[{'file':{'try_files':['{http.request.cookie.v}']}}],'handle':[" OK "]}", "a", "/x", "matcher file"},
		{"{'match':[3],'handle':[" OK "]}", "a", "/x", "malformed"},
	};

	(void)state;
	CHECK(rows);
}

/* The order of routes, groups, terminal routes, routes within routes. */
static void chains(void **state)
{
	static const struct row rows[] = {
		{"{'handle':[" OK "]},{'handle':[" AUTH "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'headers'}],'terminal':true},{'handle':[" AUTH "]}", "a", "/", NULL},
		{"{'match':[{'path':['/x']}],'handle':[" OK "],'terminal':true},{'handle':[" AUTH "]}", "a", "/x", NULL},
		{"{'match':[{'path':['/x']}],'handle':[" OK "],'terminal':true},{'handle':[" AUTH "]}", "a", "/y", "route 1: handler authentication"},
		{"{'match':[{'path_regexp':{}}],'handle':[" OK "]},{'handle':[" AUTH "]}", "a", "/x", "authentication"},
		{"{'group':'g','handle':[{'handler':'headers'}]},{'group':'g','handle':[" AUTH "]},{'handle':[" OK "]}", "a", "/", NULL},
		{"{'group':'g','match':[{'path':['/x']}],'handle':[{'handler':'headers'}]},{'group':'g','handle':[" AUTH "]}", "a", "/y", "authentication"},
		{"{'group':'g','match':[{'path_regexp':{}}],'handle':[{'handler':'headers'}]},{'group':'g','handle':[" AUTH "]}", "a", "/y", "authentication"},
		{"{'group':'g','match':[{'path_regexp':{}}],'handle':[{'handler':'headers'}]},{'group':'g','handle':[" OK "]},{'handle':[" AUTH "]}", "a", "/y", "authentication"},
		{"{'group':'g','handle':[{'handler':'headers'}]},{'group':'h','handle':[" AUTH "]}", "a", "/", "authentication"},
		{"{'group':'g','handle':[{'handler':'headers'}]},{'group':'g','match':[{'remote_ip':{}}],'handle':[" AUTH "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'subroute','routes':[{'match':[{'path':['/x']}],'handle':[" AUTH "]}]}]},{'handle':[" OK "]}", "a", "/x", "route 0/0: handler authentication"},
		{"{'handle':[{'handler':'subroute','routes':[{'match':[{'path':['/x']}],'handle':[" AUTH "]}]}]},{'handle':[" OK "]}", "a", "/y", NULL},
		{"{'handle':[{'handler':'subroute','routes':[{'handle':[" OK "]}]}," PLUG "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'subroute','routes':[{'handle':[{'handler':'headers'}],'terminal':true}]}," PLUG "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'subroute','routes':[{'handle':[{'handler':'headers'}]}]}," PLUG "]}", "a", "/", "coraza"},
		{"{'handle':[{'handler':'subroute','routes':[{'handle':[{'handler':'file_server'}]}],'errors':{'routes':[{'handle':[" AUTH "]}]}}]}", "a", "/", "authentication"},
		{"{'handle':[{'handler':'subroute','routes':[{'handle':[{'handler':'rewrite','uri':'/x/y'},{'handler':'file_server'}]}],"
		 "'errors':{'routes':[{'match':[{'path':['/x/*']}],'handle':[" PLUG "]}]}}]}", "a", "/y", "coraza"},
		{"{'handle':[{'handler':'file_server'}," PLUG "]}", "a", "/", NULL},
		{"{'handle':[{'handler':'file_server','pass_thru':true}," PLUG "]}", "a", "/", "coraza"},
		{"{'handle':[{'handler':'invoke','name':'n'}]}", "a", "/", "no route is named n"},
		{"{'handle':[{'handler':'subroute','routes':'x'}]}", "a", "/", "malformed"},
	};

	(void)state;
	CHECK(rows);
}

/* Behind a rewrite, paths are compared with the new one, or not told. */
static void rewrites(void **state)
{
#define BEHIND(rewrite) "{'handle':[{'handler':'rewrite'," rewrite "}]},{'match':[{'path':['/admin/*']}],'handle':[" AUTH "]},{'handle':[" OK "]}"
	static const struct row rows[] = {
		{BEHIND("'uri':'/admin/x'"), "a", "/", "authentication"},
		{BEHIND("'uri':'/y'"), "a", "/admin/x", NULL},
		{BEHIND("'uri':'/y?z'"), "a", "/x", "authentication"},
		{BEHIND("'uri':'{http.request.uri.path}.html'"), "a", "/x", "authentication"},
		{BEHIND("'uri':'{http.request.header.X}'"), "a", "/x", "rewrite: {http.request.header.X}"},
		{BEHIND("'strip_path_prefix':'/s'"), "a", "/s/admin/x", "authentication"},
		{BEHIND("'strip_path_prefix':'/s'"), "a", "/S/admin/x", "authentication"},
		{BEHIND("'strip_path_prefix':'/s'"), "a", "/s/x", NULL},
		{BEHIND("'strip_path_prefix':'/s/admin'"), "a", "/s%2fadmin/x", "authentication"},
		{BEHIND("'strip_path_prefix':'/s'"), "a", "/t", NULL},
		{BEHIND("'strip_path_prefix':'/s'"), "a", "/s", "authentication"},
		{BEHIND("'strip_path_prefix':'/s%2f'"), "a", "/s/x", "authentication"},
		{BEHIND("'strip_path_suffix':'.x'"), "a", "/s/x", "authentication"},
		{BEHIND("'path_regexp':[{'find':'a{2}','replace':'b'}]"), "a", "/s/x", "authentication"},
		{BEHIND("'path_regexp':[{'find':'a','replace':'{http.request.cookie.c}'}]"), "a", "/s/x", "cookie.c"},
		{BEHIND("'method':'GET'"), "a", "/x", "changes the method"},
		{BEHIND("'new':1"), "a", "/x", "rewrite.new is not known"},
		/* only where it applies */
		{"{'match':[{'path':['/r/*']}],'handle':[{'handler':'rewrite','uri':'/admin/x'}]},{'match':[{'path':['/admin/*']}],'handle':[" AUTH "]}", "a", "/y", NULL},
		{"{'match':[{'path_regexp':{}}],'handle':[{'handler':'rewrite','uri':'/admin/x'}]},{'match':[{'path':['/admin/*']}],'handle':[" AUTH "]}", "a", "/y", "authentication"},
		/* and another Host */
		{"{'handle':[{'handler':'headers','request':{'set':{'Host':['b']}}}]},{'match':[{'host':['b']}],'handle':[" AUTH "]}", "a", "/y", "authentication"},
		{"{'handle':[{'handler':'headers','request':{'set':{'X':['b']}}}]},{'match':[{'host':['b']}],'handle':[" AUTH "]}", "a", "/y", NULL},
		{"{'handle':[{'handler':'headers','request':{'set':{'Upgrade':['b']}}}," OK "]}", "a", "/y", "sets Upgrade"},
	};

	(void)state;
	CHECK(rows);
}

static void server_check(const char *members, const char *target, const char *why)
{
	struct answer a = server_judge(members, "a", target, NULL, false, false);

	if (a.eligible != !why || (why && !strstr(a.why, why)))
		fail_msg("%s: %s, not %s", members, a.eligible ? "eligible" : a.why, why ? why : "eligible");
}

static void errors(void **state)
{
#define FAILS "'routes':[{'handle':[{'handler':'file_server'}]}],"
	(void)state;
	server_check(FAILS "'errors':{'routes':[{'handle':[" OK "]}]}", "/", NULL);
	server_check(FAILS "'errors':{'routes':[{'handle':[" PLUG "]}]}", "/", "route errors/0: handler coraza_waf");
	server_check("'routes':[{'handle':[" OK "]}],'errors':{'routes':[{'handle':[" PLUG "]}]}", "/", NULL);
	server_check(FAILS "'errors':{'routes':[{'match':[{'expression':'{http.error.status_code} == 404'}],'handle':[" OK "]}]}", "/", NULL);
	server_check(FAILS "'errors':{'routes':[{'match':[{'expression':{'expr':'{http.error.status_code} in [404, 410]','name':'e'}}],'handle':[" OK "]}]}", "/", NULL);
	server_check(FAILS "'errors':{'routes':[{'match':[{'expression':'{http.error.message} == 4'}],'handle':[" OK "]}]}", "/", "error.message");
	server_check(FAILS "'errors':{'routes':[{'match':[{'path':['/x/*']}],'handle':[" PLUG "]}]}", "/y", NULL);
	/* the path is as it was sent, the host as it was changed */
	server_check("'routes':[{'handle':[{'handler':'rewrite','uri':'/x/y'},{'handler':'file_server'}]}],"
		     "'errors':{'routes':[{'match':[{'path':['/x/*']}],'handle':[" PLUG "]}]}", "/y", NULL);
	server_check("'routes':[{'handle':[{'handler':'headers','request':{'set':{'Host':['b']}}},{'handler':'file_server'}]}],"
		     "'errors':{'routes':[{'match':[{'host':['b']}],'handle':[" PLUG "]}]}", "/y", "coraza");
	/* groups of the chain that failed may have been taken, or not */
	server_check("'routes':[{'group':'g','handle':[{'handler':'file_server'}]}],"
		     "'errors':{'routes':[{'group':'g','handle':[" PLUG "]}]}", "/", "coraza");
	server_check("'routes':[{'group':'g','handle':[{'handler':'file_server'}]}],"
		     "'errors':{'routes':[{'group':'g','handle':[" OK "]},{'handle':[" PLUG "]}]}", "/", "coraza");
}

static void servers(void **state)
{
	(void)state;
	server_check("'listener_wrappers':[{'wrapper':'tls'}]", "/", NULL);
	server_check("'listener_wrappers':[{'wrapper':'proxy_protocol'}]", "/", "listener wrapper proxy_protocol");
	server_check("'listener_wrappers':[{'wrapper':'http_redirect'}]", "/", "http_redirect");
	server_check("'protocols':['h1','h2c']", "/", NULL);
	server_check("'protocols':['h2']", "/", "without h1");
	server_check("'listen_protocols':[null,['h2']]", "/", "without h1");
	server_check("'strict_sni_host':true,'logs':{},'@id':'x'", "/", NULL);
	server_check("'feature_of_tomorrow':1", "/", "feature_of_tomorrow is not known");
	server_check("'named_routes':{'n':{'handle':[" AUTH "]}},'routes':[{'handle':[{'handler':'invoke','name':'n'}]}]", "/", "authentication");
	server_check("'named_routes':{'n':{'handle':[" OK "]}},'routes':[{'handle':[{'handler':'invoke','name':'n'}]}]", "/", NULL);
	server_check("'named_routes':{'n':{'handle':[{'handler':'invoke','name':'n'}]}},'routes':[{'handle':[{'handler':'invoke','name':'n'}]}]", "/", "nested too deep");
	server_check("'routes':[]", "/.well-known/acme-challenge/abc", "certificate authority");
	server_check("'routes':[]", "/%2ewell-known/acme-challenge/abc", "certificate authority");
	server_check("'routes':[]", "/.well-known/pki-validation/abc", "certificate authority");
	server_check("'routes':[]", "/.well-known/security.txt", NULL);
}

static void operators(void **state)
{
	static const char plugin[] = "'routes':[{'handle':[" PLUG "," OK "]}]";
	static const char trust[] = "'trusted_proxies':{'source':'static','ranges':['10.0.0.0/8']},'routes':[]";
	static const char behind[] = "'routes':[{'handle':[" PLUG "]},{'match':[{'path':['/x']}],'handle':[" AUTH "]}]";
	static const char handler_trust[] = "'routes':[{'handle':[{" PROXY ",'trusted_proxies':['10.0.0.0/8']}]}]";

	(void)state;
	assert_true(server_judge(plugin, "a", "/", "coraza_waf", false, false).eligible);
	assert_false(server_judge(plugin, "a", "/", "coraza", false, false).eligible);
	/* what is behind it is looked at all the same, and nothing of the request is certain there */
	assert_false(server_judge(behind, "a", "/y", "coraza_waf", false, false).eligible);
	assert_true(server_judge("'listener_wrappers':[{'wrapper':'proxy_protocol'}]", "a", "/", "proxy_protocol", false, false).eligible);
	assert_true(server_judge("'new_option':1", "a", "/", "new_option", false, false).eligible);
	assert_true(server_judge("'routes':[{'handle':[{'handler':'file_server','new':1}]}]", "a", "/", "file_server.new", false, false).eligible);

	assert_true(server_judge(trust, "a", "/", NULL, false, false).eligible);
	assert_non_null(strstr(server_judge(trust, "a", "/", NULL, true, false).why, "trusted_proxies"));
	assert_true(server_judge(trust, "a", "/", "trusted_proxies", true, false).eligible);
	assert_true(server_judge(handler_trust, "a", "/", NULL, false, false).eligible);
	assert_false(server_judge(handler_trust, "a", "/", NULL, true, false).eligible);

	/* a parameter that is not in the key cannot choose a route */
	assert_true(server_judge("'routes':[{'match':[{'query':{'a':['1']}}],'handle':[" OK "]}]", "a", "/", NULL, false, false).eligible);
	assert_false(server_judge("'routes':[{'match':[{'query':{'a':['1']}}],'handle':[" OK "]}]", "a", "/", NULL, false, true).eligible);
}

static void listing(void **state)
{
	static const char routes[] =
		"{'match':[{'host':['a.example']}],'handle':[{'handler':'subroute','routes':["
		"{'match':[{'path':['/x/*']}],'handle':[" AUTH "]},{'handle':[" OK "]}]}],'terminal':true},"
		"{'match':[{'remote_ip':{}}],'handle':[{'handler':'subroute','routes':[]}]}";
	struct zs_eligible *e = eligible_of(routes, NULL);
	json_t *list = zs_eligible_routes(e, "s"), *one;

	(void)state;
	assert_int_equal(json_array_size(list), 3);
	one = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(one, "route")), "0/0");
	assert_string_equal(json_string_value(json_object_get(one, "match")), "host=a.example path=/x/*");
	assert_true(json_is_false(json_object_get(one, "eligible")));
	assert_non_null(strstr(json_string_value(json_object_get(one, "reason")), "route 0/0: handler authentication"));
	one = json_array_get(list, 1);
	assert_true(json_is_true(json_object_get(one, "eligible")));
	assert_null(json_object_get(one, "reason"));
	one = json_array_get(list, 2);
	assert_string_equal(json_string_value(json_object_get(one, "route")), "1");
	assert_non_null(strstr(json_string_value(json_object_get(one, "reason")), "remote_ip"));
	json_decref(list);
	list = zs_eligible_routes(e, "unknown");
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	zs_eligible_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handlers),	cmocka_unit_test(proxies),   cmocka_unit_test(placeholders),
		cmocka_unit_test(definitions),	cmocka_unit_test(matchers),  cmocka_unit_test(chains),
		cmocka_unit_test(rewrites),	cmocka_unit_test(errors),    cmocka_unit_test(servers),
		cmocka_unit_test(operators),	cmocka_unit_test(listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
