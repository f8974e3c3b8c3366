/* server PORT N [key=value …]: an OPC UA server by open62541, which shares no code with Pollux. It enforces limits, transfers subscriptions,
 * knows index ranges, percent dead-band and the overflow bit, and carries the load of bench/. PORT 0 chooses a free one. Policies None and
 * Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss, signed or encrypted; anonymous, alice/secret, X.509.
 *
 * Nodes of urn:test: i=1..N, floats that are one more at each sampling and each Read (a lost sample shows as a jump); Counter; what plant.h has.
 *
 *   limits, 0 none   read write call browse register translate items notifications publish subs sessions queue
 *   token=MS session=MS   longest lifetime of a channel's token, of a session      deprecated=1   Basic128Rsa15 and Basic256 too
 *   key=FILE cert=FILE    instead of a certificate made at each start              pad=1          another namespace before urn:test
 *   hidden=1              no OperationLimits node says the limits                  trust=none     as the command, from the start
 *   stay=1                go on when stdin ends, and say on stderr which certificate a client shows: as a Pod
 *   tick=MS               how often Counter counts (50)      play=1   with each tick Speed comes nearer to Setpoint
 *   memory=N              floats i=1000001… that can be written      first=X   the first value of i=1..N (1)
 *
 * Commands on stdin, each answered by one line of JSON; the first line says {"ready": true, "port": …, "pid": …, "thumbprint": …}.
 * NAME is a string identifier or the number of a float; a deleted node stays in its monitored items, and they hear of it again.
 *   value NAME X · status NAME CODE (a number, 0x too) · delete NAME · add NAME       the last two: the floats
 *   subscriptions drop · sessions drop      gone, and no client is told
 *   limits KEY=N …                          from now on; OperationLimits say the new ones, unless hidden
 *   trust all|none · block MS · pid
 *   counts                                  sessions, subscriptions, and since the last `counts`: requests by service, how often a float
 *                                           was read or sampled, values that were written to memory */
#include "plant.h"
#include <arpa/inet.h>
#include <mbedtls/sha1.h>
#include <open62541/plugin/accesscontrol_default.h>
#include <open62541/plugin/certificategroup_default.h>
#include <open62541/plugin/create_certificate.h>
#include <open62541/plugin/log_stdout.h>
#include <open62541/server_config_default.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* Not in the public headers: how a client's own request is carried out. */
void *getSessionById(UA_Server *server, const UA_NodeId *id);
void Service_DeleteSubscriptions(UA_Server *server, void *session, const UA_DeleteSubscriptionsRequest *request, UA_DeleteSubscriptionsResponse *response);

static volatile UA_Boolean running = true;
static UA_Boolean trusting = true, stay = false, play = false;
static void stop(int signal) { running = false; }

/* --- floats -------------------------------------------------------------------------------------------------------------- */
typedef struct { UA_Float value; UA_StatusCode status; } Float;
static Float *floats;
static UA_UInt32 count_of_floats;
static unsigned long long given = 0, written = 0;

static UA_StatusCode read_float(UA_Server *s, const UA_NodeId *sid, void *sc, const UA_NodeId *id, void *context, UA_Boolean stamp,
                                const UA_NumericRange *range, UA_DataValue *v) {
    Float *f = (Float *)context;
    f->value += 1.0f; given++;
    if(f->status) { v->status = f->status; v->hasStatus = true; }
    UA_Variant_setScalar(&v->value, &f->value, &UA_TYPES[UA_TYPES_FLOAT]);
    v->value.storageType = UA_VARIANT_DATA_NODELETE;
    v->hasValue = true;
    if(stamp) { v->sourceTimestamp = UA_DateTime_now(); v->hasSourceTimestamp = true; }
    return UA_STATUSCODE_GOOD;
}
static UA_StatusCode add_float(UA_Server *s, UA_UInt32 i) {
    UA_VariableAttributes a = UA_VariableAttributes_default;
    a.dataType = UA_TYPES[UA_TYPES_FLOAT].typeId; a.valueRank = UA_VALUERANK_SCALAR; a.accessLevel = UA_ACCESSLEVELMASK_READ;
    char name[16]; snprintf(name, sizeof name, "F%u", i);
    UA_CallbackValueSource source = {.read = read_float, .write = NULL};
    return UA_Server_addCallbackValueSourceVariableNode(s, UA_NODEID_NUMERIC(ns, i), UA_NS0ID(OBJECTSFOLDER), UA_NS0ID(ORGANIZES),
        browse_name(name), UA_NS0ID(BASEDATAVARIABLETYPE), a, source, &floats[i - 1], NULL);
}
#define MEMORY 1000001
static UA_StatusCode read_memory(UA_Server *s, const UA_NodeId *sid, void *sc, const UA_NodeId *id, void *context, UA_Boolean stamp,
                                 const UA_NumericRange *range, UA_DataValue *v) {
    UA_Variant_setScalar(&v->value, context, &UA_TYPES[UA_TYPES_FLOAT]);
    v->value.storageType = UA_VARIANT_DATA_NODELETE;
    v->hasValue = true;
    return UA_STATUSCODE_GOOD;
}
static UA_StatusCode write_memory(UA_Server *s, const UA_NodeId *sid, void *sc, const UA_NodeId *id, void *context,
                                  const UA_NumericRange *range, const UA_DataValue *v) {
    if(!v->hasValue || !UA_Variant_hasScalarType(&v->value, &UA_TYPES[UA_TYPES_FLOAT])) return UA_STATUSCODE_BADTYPEMISMATCH;
    *(UA_Float *)context = *(UA_Float *)v->value.data; written++;
    return UA_STATUSCODE_GOOD;
}
static void add_memory(UA_Server *s, UA_UInt32 n) {
    UA_Float *cells = calloc(n + 1, sizeof *cells); /* as long as the process */
    UA_CallbackValueSource source = {.read = read_memory, .write = write_memory};
    for(UA_UInt32 i = 0; i < n; i++) {
        UA_VariableAttributes a = UA_VariableAttributes_default;
        a.dataType = UA_TYPES[UA_TYPES_FLOAT].typeId; a.valueRank = UA_VALUERANK_SCALAR;
        a.accessLevel = UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_WRITE;
        char name[16]; snprintf(name, sizeof name, "M%u", i);
        must(UA_Server_addCallbackValueSourceVariableNode(s, UA_NODEID_NUMERIC(ns, MEMORY + i), UA_NS0ID(OBJECTSFOLDER), UA_NS0ID(ORGANIZES),
             browse_name(name), UA_NS0ID(BASEDATAVARIABLETYPE), a, source, &cells[i], NULL), "memory");
    }
}
static void tick(UA_Server *s, void *data) {
    static double n = 0; n += 1;
    UA_Variant v; UA_Variant_setScalar(&v, &n, &UA_TYPES[UA_TYPES_DOUBLE]);
    UA_Server_writeValue(s, named("Counter"), v);
    if(!play) return;
    UA_Variant speed, setpoint; UA_Variant_init(&speed); UA_Variant_init(&setpoint);
    UA_Server_readValue(s, named("Speed"), &speed); UA_Server_readValue(s, named("Setpoint"), &setpoint);
    if(UA_Variant_hasScalarType(&speed, v.type) && UA_Variant_hasScalarType(&setpoint, v.type)) {
        double now = *(double *)speed.data, far = *(double *)setpoint.data - now, to = far > -0.5 && far < 0.5 ? now + far : now + far / 4;
        to = (double)(long long)(to * 10 + (to < 0 ? -0.5 : 0.5)) / 10;
        UA_Variant_setScalar(&v, &to, &UA_TYPES[UA_TYPES_DOUBLE]);
        UA_Server_writeValue(s, named("Speed"), v);
    }
    UA_Variant_clear(&speed); UA_Variant_clear(&setpoint);
}

/* --- what is going on: sessions, subscriptions, requests ----------------------------------------------------------------------- */
#define MOST 4096
static struct { UA_NodeId session; UA_UInt32 id; } subscriptions[MOST];
static UA_NodeId sessions[MOST];
static size_t subscription_count = 0, session_count = 0;
static struct { const UA_DataType *type; unsigned long count; } services[64];

static const void *of(const UA_KeyValueMap payload, char *key, int type) {
    return UA_KeyValueMap_getScalar(&payload, UA_QUALIFIEDNAME(0, key), &UA_TYPES[type]);
}
static void on_session(UA_Server *s, UA_ApplicationNotificationType type, const UA_KeyValueMap payload) {
    const UA_NodeId *id = of(payload, "session-id", UA_TYPES_NODEID);
    if(!id) return;
    if(type == UA_APPLICATIONNOTIFICATIONTYPE_SESSION_CREATED && session_count < MOST) UA_NodeId_copy(id, &sessions[session_count++]);
    if(type != UA_APPLICATIONNOTIFICATIONTYPE_SESSION_CLOSED) return;
    for(size_t i = 0; i < session_count; i++)
        if(UA_NodeId_equal(&sessions[i], id)) { UA_NodeId_clear(&sessions[i]); sessions[i] = sessions[--session_count]; return; }
}
static void on_subscription(UA_Server *s, UA_ApplicationNotificationType type, const UA_KeyValueMap payload) {
    const UA_NodeId *session = of(payload, "session-id", UA_TYPES_NODEID); const UA_UInt32 *id = of(payload, "subscription-id", UA_TYPES_UINT32);
    if(!session || !id) return;
    UA_Boolean added = type == UA_APPLICATIONNOTIFICATIONTYPE_SUBSCRIPTION_CREATED || type == UA_APPLICATIONNOTIFICATIONTYPE_SUBSCRIPTION_TRANSFERRED;
    if(!added && type != UA_APPLICATIONNOTIFICATIONTYPE_SUBSCRIPTION_DELETED) return;
    for(size_t i = 0; i < subscription_count; i++)
        if(subscriptions[i].id == *id) { UA_NodeId_clear(&subscriptions[i].session); subscriptions[i] = subscriptions[--subscription_count]; break; }
    if(!added || subscription_count == MOST) return;
    UA_NodeId_copy(session, &subscriptions[subscription_count].session); subscriptions[subscription_count++].id = *id;
}
static void on_service(UA_Server *s, UA_ApplicationNotificationType type, const UA_KeyValueMap payload) {
    const UA_NodeId *id = of(payload, "service-type", UA_TYPES_NODEID);
    if(type != UA_APPLICATIONNOTIFICATIONTYPE_SERVICE_BEGIN || !id) return;
    for(size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if(!services[i].type) services[i].type = UA_findDataType(id);
        if(!services[i].type) return;
        if(UA_NodeId_equal(&services[i].type->typeId, id)) { services[i].count++; return; }
    }
}
static void say_counts(void) {
    printf("{\"ok\": true, \"sessions\": %zu, \"subscriptions\": %zu, \"requests\": {", session_count, subscription_count);
    const char *comma = "";
    for(size_t i = 0; i < sizeof services / sizeof *services && services[i].type; i++) {
        if(!services[i].count) continue;
        const char *name = services[i].type->typeName;
        printf("%s\"%.*s\": %lu", comma, (int)(strlen(name) - strlen("Request")), name, services[i].count);
        services[i].count = 0; comma = ", ";
    }
    printf("}, \"floats\": %llu, \"written\": %llu}\n", given, written);
    given = written = 0;
}
static void drop_subscriptions(UA_Server *s) {
    while(subscription_count) {
        size_t before = subscription_count;
        UA_DeleteSubscriptionsRequest request; UA_DeleteSubscriptionsRequest_init(&request);
        UA_DeleteSubscriptionsResponse response; UA_DeleteSubscriptionsResponse_init(&response);
        UA_UInt32 id = subscriptions[before - 1].id;
        request.subscriptionIds = &id; request.subscriptionIdsSize = 1;
        void *session = getSessionById(s, &subscriptions[before - 1].session);
        if(session) Service_DeleteSubscriptions(s, session, &request, &response);
        UA_DeleteSubscriptionsResponse_clear(&response);
        if(subscription_count == before) subscription_count--; /* of a session that is gone: it ends by its lifetime */
    }
}
static void drop_sessions(UA_Server *s) {
    while(session_count) {
        size_t before = session_count;
        UA_NodeId id; UA_NodeId_copy(&sessions[before - 1], &id);
        UA_Server_closeSession(s, &id);
        UA_NodeId_clear(&id);
        if(session_count == before) session_count--;
    }
}

/* --- limits, trust, access --------------------------------------------------------------------------------------------------- */
static UA_Boolean limit(UA_ServerConfig *c, const char *key, UA_UInt32 value) {
    struct { const char *key; UA_UInt32 *at; } all[] = {
        {"read", &c->maxNodesPerRead}, {"write", &c->maxNodesPerWrite}, {"call", &c->maxNodesPerMethodCall}, {"browse", &c->maxNodesPerBrowse},
        {"register", &c->maxNodesPerRegisterNodes}, {"translate", &c->maxNodesPerTranslateBrowsePathsToNodeIds}, {"items", &c->maxMonitoredItemsPerCall},
        {"notifications", &c->maxNotificationsPerPublish}, {"publish", &c->maxPublishReqPerSession}, {"subs", &c->maxSubscriptionsPerSession},
        {"queue", &c->queueSizeLimits.max}, {"token", &c->maxSecurityTokenLifetime}};
    for(size_t i = 0; i < sizeof all / sizeof *all; i++) if(!strcmp(key, all[i].key)) { *all[i].at = value; return true; }
    if(!strcmp(key, "sessions")) c->maxSessions = (UA_UInt16)value;
    else if(!strcmp(key, "session")) c->maxSessionTimeout = value;
    else return false;
    return true;
}
/* SHA-1 in hexadecimal digits. */
static void print_of(const UA_ByteString *certificate, char text[41]) {
    unsigned char sum[20]; mbedtls_sha1(certificate->data, certificate->length, sum);
    for(int i = 0; i < 20; i++) snprintf(&text[2 * i], 3, "%02x", sum[i]);
}
static UA_StatusCode verify(UA_CertificateGroup *group, const UA_ByteString *certificate) {
    static char last[41]; char now[41]; print_of(certificate, now);
    if(stay && strcmp(now, last)) { memcpy(last, now, sizeof last); fprintf(stderr, "client %s\n", now); }
    return trusting ? UA_STATUSCODE_GOOD : UA_STATUSCODE_BADCERTIFICATEUNTRUSTED;
}
static UA_Boolean any_transfer(UA_Server *s, UA_AccessControl *ac, const UA_NodeId *a, void *x, const UA_NodeId *b, void *y) { return true; }
static UA_Byte access_level(UA_Server *s, UA_AccessControl *ac, const UA_NodeId *sid, void *sc, const UA_NodeId *id, void *nc) {
    UA_NodeId denied = named("Denied");
    return UA_NodeId_equal(id, &denied) ? 0 : 0xff;
}

/* --- commands --------------------------------------------------------------------------------------------------------------- */
static const char *failed(UA_StatusCode code) { return code ? UA_StatusCode_name(code) : NULL; }
static UA_NodeId addressed(const char *name, Float **of) {
    char *end; unsigned long i = strtoul(name, &end, 10);
    *of = *end == 0 && i >= 1 && i <= count_of_floats ? &floats[i - 1] : NULL;
    return *of ? UA_NODEID_NUMERIC(ns, (UA_UInt32)i) : named(name);
}
static const char *set_value(UA_Server *s, const char *name, const char *text) {
    Float *f; UA_NodeId id = addressed(name, &f);
    if(f) { f->value = strtof(text, NULL) - 1.0f; return NULL; } /* the next sampling adds one */
    UA_Variant now; UA_StatusCode r = UA_Server_readValue(s, id, &now);
    if(r) return failed(r);
    const UA_DataType *type = now.type;
    union { UA_Boolean b; UA_Byte u8; UA_Int16 i16; UA_UInt16 u16; UA_Int32 i32; UA_UInt32 u32; UA_Int64 i64; UA_Float f; UA_Double d; UA_String s; } u;
    UA_Boolean plain = UA_Variant_isScalar(&now);
    UA_Variant_clear(&now);
    if(!plain || !type) return "only a scalar is set by a command";
    switch(type->typeKind) {
    case UA_DATATYPEKIND_BOOLEAN: u.b = !strcmp(text, "true"); break;
    case UA_DATATYPEKIND_BYTE: u.u8 = (UA_Byte)atoi(text); break;
    case UA_DATATYPEKIND_INT16: u.i16 = (UA_Int16)atoi(text); break;
    case UA_DATATYPEKIND_UINT16: u.u16 = (UA_UInt16)atoi(text); break;
    case UA_DATATYPEKIND_INT32: case UA_DATATYPEKIND_ENUM: u.i32 = atoi(text); break;
    case UA_DATATYPEKIND_UINT32: u.u32 = (UA_UInt32)strtoul(text, NULL, 10); break;
    case UA_DATATYPEKIND_INT64: u.i64 = atoll(text); break;
    case UA_DATATYPEKIND_FLOAT: u.f = strtof(text, NULL); break;
    case UA_DATATYPEKIND_DOUBLE: u.d = strtod(text, NULL); break;
    case UA_DATATYPEKIND_STRING: u.s = UA_STRING((char *)(uintptr_t)text); break;
    default: return "not of a type that a command sets";
    }
    UA_DataValue v; UA_DataValue_init(&v);
    UA_Variant_setScalar(&v.value, &u, type);
    v.hasValue = v.hasSourceTimestamp = true; v.sourceTimestamp = UA_DateTime_now();
    return failed(UA_Server_writeDataValue(s, id, v));
}
static const char *set_status(UA_Server *s, const char *name, UA_StatusCode code) {
    Float *f; UA_NodeId id = addressed(name, &f);
    if(f) { f->status = code; return NULL; }
    UA_Variant now; UA_StatusCode r = UA_Server_readValue(s, id, &now);
    if(r) return failed(r);
    UA_DataValue v; UA_DataValue_init(&v);
    v.value = now; v.hasValue = v.hasStatus = v.hasSourceTimestamp = true; v.status = code; v.sourceTimestamp = UA_DateTime_now();
    r = UA_Server_writeDataValue(s, id, v);
    UA_Variant_clear(&now);
    return failed(r);
}
static const char *set_limits(UA_Server *s) {
    for(char *word; (word = strtok(NULL, " ")) != NULL;) {
        char *equals = strchr(word, '=');
        if(!equals) return "limits KEY=N";
        *equals = 0;
        if(!limit(UA_Server_getConfig(s), word, (UA_UInt32)strtoul(equals + 1, NULL, 10))) return "no such limit";
    }
    return NULL;
}
/* What is wrong; NULL: done; "": done and answered. */
static const char *command(UA_Server *s, char *line) {
    const char *name = strtok(line, " ");
    if(!strcmp(name, "limits")) return set_limits(s);
    if(!strcmp(name, "counts")) { say_counts(); return ""; }
    if(!strcmp(name, "pid")) { printf("{\"ok\": true, \"pid\": %d}\n", getpid()); return ""; }
    const char *first = strtok(NULL, " ");
    if(!first) return "what?";
    if(!strcmp(name, "subscriptions") && !strcmp(first, "drop")) { drop_subscriptions(s); return NULL; }
    if(!strcmp(name, "sessions") && !strcmp(first, "drop")) { drop_sessions(s); return NULL; }
    if(!strcmp(name, "trust")) { trusting = strcmp(first, "none") != 0; return NULL; }
    if(!strcmp(name, "block")) { usleep((useconds_t)atoi(first) * 1000); return NULL; }
    Float *f; UA_NodeId id = addressed(first, &f);
    if(!strcmp(name, "delete")) return failed(UA_Server_deleteNode(s, id, true));
    if(!strcmp(name, "add")) return f ? failed(add_float(s, id.identifier.numeric)) : "only floats come back";
    const char *second = strtok(NULL, "");
    if(!second) return "what?";
    if(!strcmp(name, "value")) return set_value(s, first, second);
    if(!strcmp(name, "status")) return set_status(s, first, (UA_StatusCode)strtoul(second, NULL, 0));
    return "no such command";
}
/* Looks for lines without waiting; the server's own loop calls it, so that nothing happens beside it. */
static void listen_to_stdin(UA_Server *s, void *data) {
    static char line[4096]; static size_t length = 0;
    struct pollfd in = {.fd = 0, .events = POLLIN};
    while(poll(&in, 1, 0) > 0) {
        char c; ssize_t n = read(0, &c, 1);
        if(n <= 0) { if(!stay) running = false; return; }
        if(c != '\n') { if(length < sizeof line - 1) line[length++] = c; continue; }
        line[length] = 0; length = 0;
        if(!line[strspn(line, " ")]) continue;
        const char *wrong = command(s, line);
        if(!wrong) printf("{\"ok\": true}\n");
        else if(*wrong) printf("{\"ok\": false, \"error\": \"%s\"}\n", wrong);
        fflush(stdout);
    }
}

/* --- start ----------------------------------------------------------------------------------------------------------------- */
static UA_ByteString contents(const char *path) {
    UA_ByteString bytes = UA_BYTESTRING_NULL;
    FILE *f = fopen(path, "rb");
    if(!f) { perror(path); exit(1); }
    fseek(f, 0, SEEK_END); long size = ftell(f); rewind(f);
    if(size <= 0 || UA_ByteString_allocBuffer(&bytes, (size_t)size) || fread(bytes.data, 1, bytes.length, f) != bytes.length) { fprintf(stderr, "%s cannot be read\n", path); exit(1); }
    fclose(f);
    return bytes;
}
static void certify(UA_ByteString *key, UA_ByteString *certificate) {
    UA_String subject[2] = {UA_STRING_STATIC("C=DE"), UA_STRING_STATIC("CN=open62541 peer")};
    UA_String names[3] = {UA_STRING_STATIC("DNS:localhost"), UA_STRING_STATIC("IP:127.0.0.1"), UA_STRING_STATIC("URI:urn:pollux:open62541")};
    UA_KeyValueMap *options = UA_KeyValueMap_new(); UA_UInt16 bits = 2048;
    UA_KeyValueMap_setScalar(options, UA_QUALIFIEDNAME(0, "key-size-bits"), &bits, &UA_TYPES[UA_TYPES_UINT16]);
    must(UA_CreateCertificate(UA_Log_Stdout, subject, 2, names, 3, UA_CERTIFICATEFORMAT_DER, options, key, certificate), "certificate");
    UA_KeyValueMap_delete(options);
}
static UA_UInt16 free_port(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}; socklen_t size = sizeof a;
    if(s < 0 || bind(s, (struct sockaddr *)&a, size) || getsockname(s, (struct sockaddr *)&a, &size)) { perror("no free port"); exit(1); }
    close(s);
    return ntohs(a.sin_port);
}
/* As a server that has no OperationLimits: whoever asks too much hears it, and has to learn. */
static void hide_limits(UA_Server *s) {
    static const UA_UInt32 ids[] = {
        UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXNODESPERREAD, UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXNODESPERWRITE,
        UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXNODESPERMETHODCALL, UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXNODESPERBROWSE,
        UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXNODESPERREGISTERNODES,
        UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXNODESPERTRANSLATEBROWSEPATHSTONODEIDS,
        UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS_MAXMONITOREDITEMSPERCALL, UA_NS0ID_SERVER_SERVERCAPABILITIES_OPERATIONLIMITS};
    for(size_t i = 0; i < sizeof ids / sizeof *ids; i++) must(UA_Server_deleteNode(s, UA_NODEID_NUMERIC(0, ids[i]), true), "OperationLimits");
}
/* setDefaultWithSecurityPolicies leaves out None and Aes128_Sha256_RsaOaep: by hand. */
static void secure(UA_ServerConfig *c, UA_ByteString key, UA_ByteString certificate, UA_Boolean deprecated) {
    UA_StatusCode r = UA_ServerConfig_addSecurityPolicyNone(c, &certificate);
    r |= UA_ServerConfig_addSecurityPolicyBasic256Sha256(c, &certificate, &key);
    r |= UA_ServerConfig_addSecurityPolicyAes128Sha256RsaOaep(c, &certificate, &key);
    r |= UA_ServerConfig_addSecurityPolicyAes256Sha256RsaPss(c, &certificate, &key);
    if(deprecated) { r |= UA_ServerConfig_addSecurityPolicyBasic128Rsa15(c, &certificate, &key); r |= UA_ServerConfig_addSecurityPolicyBasic256(c, &certificate, &key); }
    r |= UA_ServerConfig_addEndpoint(c, UA_SECURITY_POLICY_NONE_URI, UA_MESSAGESECURITYMODE_NONE);
    r |= UA_ServerConfig_addAllEndpoints(c);
    must(r, "security");
    UA_String uri = UA_STRING("urn:pollux:open62541");
    UA_String_clear(&c->applicationDescription.applicationUri); UA_String_copy(&uri, &c->applicationDescription.applicationUri);
    for(size_t i = 0; i < c->endpointsSize; i++) {
        UA_String_clear(&c->endpoints[i].server.applicationUri); UA_String_copy(&uri, &c->endpoints[i].server.applicationUri);
    }
    UA_CertificateGroup *groups[2] = {&c->secureChannelPKI, &c->sessionPKI};
    for(int i = 0; i < 2; i++) {
        if(groups[i]->clear) groups[i]->clear(groups[i]);
        UA_CertificateGroup_AcceptAll(groups[i]); groups[i]->verifyCertificate = verify;
    }
    UA_UsernamePasswordLogin login = {UA_STRING_STATIC("alice"), UA_STRING_STATIC("secret")};
    must(UA_AccessControl_default(c, true, NULL, 1, &login), "access control");
    c->accessControl.allowTransferSubscription = any_transfer; c->accessControl.getUserAccessLevel = access_level;
}

int main(int argc, char **argv) {
    if(argc < 3) { fprintf(stderr, "server PORT N [key=value …]\n"); return 2; }
    UA_UInt16 port = (UA_UInt16)atoi(argv[1]); if(!port) port = free_port();
    count_of_floats = (UA_UInt32)strtoul(argv[2], NULL, 10); floats = calloc(count_of_floats + 1, sizeof *floats);
    signal(SIGINT, stop); signal(SIGTERM, stop);
    UA_ServerConfig c; memset(&c, 0, sizeof c);
    c.logging = UA_Log_Stdout_new(UA_LOGLEVEL_FATAL); /* stdout belongs to the answers */
    must(UA_ServerConfig_setBasics_withPort(&c, port), "port");
    c.maxSessions = 200; c.maxSecureChannels = 400; c.publishingIntervalLimits.min = 5; c.samplingIntervalLimits.min = 5;
    c.queueSizeLimits.max = 10000; c.maxNotificationsPerPublish = 100000; c.maxPublishReqPerSession = 100; /* of these 0 is none, not unlimited */
    c.sessionNotificationCallback = on_session; c.subscriptionNotificationCallback = on_subscription; c.serviceNotificationCallback = on_service;
    const char *key_file = NULL, *cert_file = NULL; double every = 50; UA_UInt32 memory = 0; float first = 1; UA_Boolean pad = false, deprecated = false, hidden = false;
    for(int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if(value) *value++ = 0;
        if(value && !strcmp(argv[i], "key")) key_file = value;
        else if(value && !strcmp(argv[i], "cert")) cert_file = value;
        else if(value && !strcmp(argv[i], "tick")) every = atof(value);
        else if(value && !strcmp(argv[i], "first")) first = strtof(value, NULL);
        else if(value && !strcmp(argv[i], "memory")) memory = (UA_UInt32)strtoul(value, NULL, 10);
        else if(value && !strcmp(argv[i], "pad")) pad = atoi(value) != 0;
        else if(value && !strcmp(argv[i], "deprecated")) deprecated = atoi(value) != 0;
        else if(value && !strcmp(argv[i], "hidden")) hidden = atoi(value) != 0;
        else if(value && !strcmp(argv[i], "trust")) trusting = strcmp(value, "none") != 0;
        else if(value && !strcmp(argv[i], "stay")) stay = atoi(value) != 0;
        else if(value && !strcmp(argv[i], "play")) play = atoi(value) != 0;
        else if(!value || !limit(&c, argv[i], (UA_UInt32)strtoul(value, NULL, 10))) { fprintf(stderr, "no option %s\n", argv[i]); return 2; }
    }
    UA_ByteString key, certificate;
    if(key_file && cert_file) { key = contents(key_file); certificate = contents(cert_file); } else certify(&key, &certificate);
    ns = pad ? 3 : 2; define_types(&c); secure(&c, key, certificate, deprecated);
    UA_Server *s = UA_Server_newWithConfig(&c);
    if(!s) { fprintf(stderr, "no server\n"); return 1; }
    if(pad) UA_Server_addNamespace(s, "urn:pad");
    if(UA_Server_addNamespace(s, "urn:test") != ns) { fprintf(stderr, "urn:test has another index\n"); return 1; }
    for(UA_UInt32 i = 1; i <= count_of_floats; i++) { must(add_float(s, i), "float"); floats[i - 1].value = first - 1.0f; }
    add_memory(s, memory);
    line7(s); built_in(s); structures(s);
    if(hidden) hide_limits(s);
    UA_Double zero = 0; UA_Variant v; UA_Variant_setScalar(&v, &zero, &UA_TYPES[UA_TYPES_DOUBLE]);
    variable(s, named("Counter"), UA_NS0ID(OBJECTSFOLDER), "Counter", v, v.type->typeId, UA_ACCESSLEVELMASK_READ);
    if(every > 0) must(UA_Server_addRepeatedCallback(s, tick, NULL, every, NULL), "tick");
    must(UA_Server_addRepeatedCallback(s, listen_to_stdin, NULL, 10, NULL), "commands");
    must(UA_Server_run_startup(s), "start");
    const UA_ServerConfig *made = UA_Server_getConfig(s); /* in DER, also where the file was PEM */
    UA_ByteString der = made->securityPolicies[made->securityPoliciesSize - 1].localCertificate;
    char thumbprint[41]; print_of(&der, thumbprint);
    printf("{\"ready\": true, \"port\": %u, \"pid\": %d, \"thumbprint\": \"%s\"}\n", port, getpid(), thumbprint); fflush(stdout);
    while(running) UA_Server_run_iterate(s, true);
    UA_Server_run_shutdown(s);
    UA_Server_delete(s);
    return 0;
}
