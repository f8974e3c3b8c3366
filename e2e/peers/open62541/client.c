/* client URL none|sign|encrypt read COUNT SECONDS [PER_CALL]
 * client URL none|sign|encrypt write COUNT SECONDS
 * client URL[,URL…] none|sign|encrypt subscribe SUBSCRIPTIONS ITEMS INTERVAL_MS SECONDS
 * An OPC UA client by open62541 for the rows of bench/: reads or subscribes to the floats i=1… of `server`, or writes its memory, all in
 * one request; and says one line of JSON:
 * values, calls, seconds, CPU seconds of this process (getrusage), largest resident memory in KiB, and how often a float did not go up by one.
 * `subscribe`: a session of its own for each subscription, on neighbouring floats, on the servers in turn. Ends with an error in words and status 1. */
#include <open62541/client.h>
#include <open62541/client_config_default.h>
#include <open62541/client_subscriptions.h>
#include <open62541/plugin/certificategroup_default.h>
#include <open62541/plugin/create_certificate.h>
#include <open62541/plugin/log_stdout.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Of one thread; `subscribe` adds them up. */
static _Thread_local unsigned long long values = 0, jumps = 0;

static void must(UA_StatusCode code, const char *what) {
    if(code == UA_STATUSCODE_GOOD) return;
    fprintf(stderr, "%s: %s\n", what, UA_StatusCode_name(code));
    exit(1);
}
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (double)t.tv_sec + (double)t.tv_nsec / 1e9; }
static double cpu(void) {
    struct rusage u; getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
static void say(const char *row, unsigned long long calls, double seconds, double spent) {
    struct rusage u; getrusage(RUSAGE_SELF, &u);
    printf("{\"row\": \"%s\", \"values\": %llu, \"calls\": %llu, \"seconds\": %.3f, \"cpu\": %.6f, \"rss\": %ld, \"jumps\": %llu}\n",
           row, values, calls, seconds, spent, u.ru_maxrss, jumps);
}
/* One more than before, or something was lost. The first of a float has none before it. */
static void next(float *last, const UA_DataValue *v) {
    values++;
    if(!v->hasValue || v->value.type != &UA_TYPES[UA_TYPES_FLOAT]) { jumps++; return; }
    float f = *(float *)v->value.data;
    if(*last != 0 && f != *last + 1) jumps++;
    *last = f;
}
static void changed(UA_Client *c, UA_UInt32 sub, void *sc, UA_UInt32 item, void *last, UA_DataValue *v) { next(last, v); }

static void secure(UA_ClientConfig *c, UA_Boolean encrypted) {
    UA_String subject[2] = {UA_STRING_STATIC("C=DE"), UA_STRING_STATIC("CN=open62541 client")};
    UA_String names[2] = {UA_STRING_STATIC("DNS:localhost"), UA_STRING_STATIC("URI:urn:pollux:open62541:client")};
    UA_KeyValueMap *options = UA_KeyValueMap_new(); UA_UInt16 bits = 2048;
    UA_KeyValueMap_setScalar(options, UA_QUALIFIEDNAME(0, "key-size-bits"), &bits, &UA_TYPES[UA_TYPES_UINT16]);
    UA_ByteString key = UA_BYTESTRING_NULL, certificate = UA_BYTESTRING_NULL;
    must(UA_CreateCertificate(UA_Log_Stdout, subject, 2, names, 2, UA_CERTIFICATEFORMAT_DER, options, &key, &certificate), "certificate");
    UA_KeyValueMap_delete(options);
    must(UA_ClientConfig_setDefaultEncryption(c, certificate, key, NULL, 0, NULL, 0), "security");
    UA_String_clear(&c->clientDescription.applicationUri); c->clientDescription.applicationUri = UA_STRING_ALLOC("urn:pollux:open62541:client");
    c->certificateVerification.clear(&c->certificateVerification); UA_CertificateGroup_AcceptAll(&c->certificateVerification);
    c->securityMode = encrypted ? UA_MESSAGESECURITYMODE_SIGNANDENCRYPT : UA_MESSAGESECURITYMODE_SIGN;
    c->securityPolicyUri = UA_STRING_ALLOC("http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256");
}
static UA_Client *connected(const char *url, const char *mode) {
    UA_ClientConfig c; memset(&c, 0, sizeof c);
    c.logging = UA_Log_Stdout_new(UA_LOGLEVEL_FATAL); /* stdout belongs to the answer */
    if(!strcmp(mode, "none")) must(UA_ClientConfig_setDefault(&c), "client");
    else if(!strcmp(mode, "sign") || !strcmp(mode, "encrypt")) secure(&c, !strcmp(mode, "encrypt"));
    else { fprintf(stderr, "mode none, sign or encrypt, not %s\n", mode); exit(2); }
    c.outStandingPublishRequests = 3;
    UA_Client *client = UA_Client_newWithConfig(&c);
    must(UA_Client_connect(client, url), "connect");
    return client;
}
static UA_UInt16 index_of_test(UA_Client *c) {
    UA_UInt16 ns = 0;
    must(UA_Client_getNamespaceIndex(c, UA_STRING("urn:test"), &ns), "urn:test");
    return ns;
}

static void read_floats(const char *url, const char *mode, size_t n, double seconds, size_t per_call) {
    UA_Client *c = connected(url, mode);
    UA_UInt16 ns = index_of_test(c);
    UA_ReadValueId *nodes = calloc(n, sizeof *nodes); float *last = calloc(n, sizeof *last);
    for(size_t i = 0; i < n; i++) nodes[i] = (UA_ReadValueId){.nodeId = UA_NODEID_NUMERIC(ns, (UA_UInt32)i + 1), .attributeId = UA_ATTRIBUTEID_VALUE};
    double from = now(), spent = cpu(); unsigned long long calls = 0;
    while(now() - from < seconds)
        for(size_t at = 0; at < n; at += per_call) {
            UA_ReadRequest q; UA_ReadRequest_init(&q);
            q.timestampsToReturn = UA_TIMESTAMPSTORETURN_SOURCE; q.nodesToRead = &nodes[at]; q.nodesToReadSize = n - at < per_call ? n - at : per_call;
            UA_ReadResponse a = UA_Client_Service_read(c, q);
            must(a.responseHeader.serviceResult, "read");
            if(a.resultsSize != q.nodesToReadSize) { fprintf(stderr, "read: %zu results for %zu nodes\n", a.resultsSize, q.nodesToReadSize); exit(1); }
            for(size_t i = 0; i < a.resultsSize; i++) next(&last[at + i], &a.results[i]);
            UA_ReadResponse_clear(&a); calls++;
        }
    say("read", calls, now() - from, cpu() - spent);
    UA_Client_disconnect(c); UA_Client_delete(c);
}

static void write_memory(const char *url, const char *mode, size_t n, double seconds) {
    UA_Client *c = connected(url, mode);
    UA_UInt16 ns = index_of_test(c);
    UA_WriteValue *nodes = calloc(n, sizeof *nodes); float value = 0; /* the same one everywhere */
    for(size_t i = 0; i < n; i++) {
        nodes[i] = (UA_WriteValue){.nodeId = UA_NODEID_NUMERIC(ns, 1000001 + (UA_UInt32)i), .attributeId = UA_ATTRIBUTEID_VALUE, .value.hasValue = true};
        UA_Variant_setScalar(&nodes[i].value.value, &value, &UA_TYPES[UA_TYPES_FLOAT]);
    }
    double from = now(), spent = cpu(); unsigned long long calls = 0;
    for(; now() - from < seconds; calls++) {
        value += 1;
        UA_WriteRequest q; UA_WriteRequest_init(&q); q.nodesToWrite = nodes; q.nodesToWriteSize = n;
        UA_WriteResponse a = UA_Client_Service_write(c, q);
        must(a.responseHeader.serviceResult, "write");
        for(size_t i = 0; i < a.resultsSize; i++) must(a.results[i], "write of a node");
        values += a.resultsSize;
        UA_WriteResponse_clear(&a);
    }
    say("write", calls, now() - from, cpu() - spent);
    free(nodes);
    UA_Client_disconnect(c); UA_Client_delete(c);
}

static void create_items(UA_Client *c, UA_UInt16 ns, UA_UInt32 first, size_t n, double interval) {
    UA_CreateSubscriptionRequest q = UA_CreateSubscriptionRequest_default();
    q.requestedPublishingInterval = interval; q.maxNotificationsPerPublish = 0;
    UA_CreateSubscriptionResponse r = UA_Client_Subscriptions_create(c, q, NULL, NULL, NULL);
    must(r.responseHeader.serviceResult, "subscription");
    UA_MonitoredItemCreateRequest *items = calloc(n, sizeof *items);
    UA_Client_DataChangeNotificationCallback *calls = calloc(n, sizeof *calls);
    float *last = calloc(n, sizeof *last); void **contexts = calloc(n, sizeof *contexts); /* these two live as long as the process */
    for(size_t i = 0; i < n; i++) {
        items[i] = UA_MonitoredItemCreateRequest_default(UA_NODEID_NUMERIC(ns, first + (UA_UInt32)i));
        items[i].requestedParameters.samplingInterval = interval; items[i].requestedParameters.queueSize = 10;
        calls[i] = changed; contexts[i] = &last[i];
    }
    UA_CreateMonitoredItemsRequest m; UA_CreateMonitoredItemsRequest_init(&m);
    m.subscriptionId = r.subscriptionId; m.timestampsToReturn = UA_TIMESTAMPSTORETURN_SOURCE; m.itemsToCreate = items; m.itemsToCreateSize = n;
    UA_CreateMonitoredItemsResponse a = UA_Client_MonitoredItems_createDataChanges(c, m, contexts, calls, NULL);
    must(a.responseHeader.serviceResult, "items");
    for(size_t i = 0; i < a.resultsSize; i++) must(a.results[i].statusCode, "item");
    UA_CreateMonitoredItemsResponse_clear(&a); free(items); free(calls);
}
/* A thread for each session, so that each sleeps until something comes. Values count from the end of the warming on, jumps from the first. */
#define WARM 2.0
typedef struct { UA_Client *client; double seconds; unsigned long long values, jumps; pthread_t thread; } Session;
static void *iterate(void *of) {
    Session *s = of;
    double from = now(), left; UA_Boolean warm = false;
    while((left = WARM + s->seconds - (now() - from)) > 0) {
        if(!warm && now() - from >= WARM) { warm = true; values = 0; }
        must(UA_Client_run_iterate(s->client, (UA_UInt32)(left < 0.5 ? left * 1000 + 1 : 500)), "subscription");
    }
    s->values = values; s->jumps = jumps;
    return NULL;
}
static void subscribe(char *urls, const char *mode, size_t n, size_t items, double interval, double seconds) {
    char *url[64]; size_t servers = 0;
    for(char *one = strtok(urls, ","); one && servers < sizeof url / sizeof *url; one = strtok(NULL, ",")) url[servers++] = one;
    if(!servers) { fprintf(stderr, "no URL\n"); exit(2); }
    Session *all = calloc(n, sizeof *all);
    for(size_t i = 0; i < n; i++) {
        all[i].client = connected(url[i % servers], mode);
        create_items(all[i].client, index_of_test(all[i].client), (UA_UInt32)(i / servers * items) + 1, items, interval);
    }
    for(size_t i = 0; i < n; i++) {
        all[i].seconds = seconds;
        if(pthread_create(&all[i].thread, NULL, iterate, &all[i])) { perror("thread"); exit(1); }
    }
    usleep((useconds_t)(WARM * 1e6));
    double from = now(), spent = cpu();
    for(size_t i = 0; i < n; i++) { pthread_join(all[i].thread, NULL); values += all[i].values; jumps += all[i].jumps; }
    say("subscribe", 0, now() - from, cpu() - spent);
    for(size_t i = 0; i < n; i++) { UA_Client_disconnect(all[i].client); UA_Client_delete(all[i].client); }
}

int main(int argc, char **argv) {
    if(argc >= 6 && !strcmp(argv[3], "read")) {
        size_t n = strtoul(argv[4], NULL, 10), per_call = argc > 6 ? strtoul(argv[6], NULL, 10) : n;
        if(n && per_call) { read_floats(argv[1], argv[2], n, atof(argv[5]), per_call); return 0; }
    }
    if(argc == 6 && !strcmp(argv[3], "write")) {
        size_t n = strtoul(argv[4], NULL, 10);
        if(n) { write_memory(argv[1], argv[2], n, atof(argv[5])); return 0; }
    }
    if(argc == 8 && !strcmp(argv[3], "subscribe")) {
        size_t n = strtoul(argv[4], NULL, 10), items = strtoul(argv[5], NULL, 10);
        if(n && items) { subscribe(argv[1], argv[2], n, items, atof(argv[6]), atof(argv[7])); return 0; }
    }
    fprintf(stderr, "client URL none|sign|encrypt read COUNT SECONDS [PER_CALL]\nclient URL none|sign|encrypt write COUNT SECONDS\nclient URL[,URL…] none|sign|encrypt subscribe SUBSCRIPTIONS ITEMS INTERVAL_MS SECONDS\n");
    return 2;
}
