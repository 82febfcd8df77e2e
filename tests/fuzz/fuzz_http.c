// SPDX-License-Identifier: MIT
// The whole way of requests: bytes into a connection, exchanges, bytes out.
//
// The same bytes go in whole, one by one, and cut elsewhere: what is told and what comes out must
// be the same, every exchange that was told must end, and a connection that is said to be closed
// is. What comes out is read again (http_responses.c): exactly the answers that were given, well
// formed, in their order. What was told is compared with a model's reading of the same bytes
// (http_model.c). A target's first letter says how it is answered.

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/http_model.h"
#include "weir/http.h"
#include "weir/weir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX  4096u
#define OUTPUT_MAX (1u << 20)
#define TURNS_MAX  20000u
#define LARGE_SIZE 1000u

struct told {
    weir_http http;
    char method[16];
    char target[MODEL_TEXT_MAX];
    unsigned minor;
    unsigned fields;
    uint64_t fields_hash;
    unsigned flags;
    bool reads;     // its body is read
    bool is_read;   // to its end
    bool is_echoed; // an answer was begun
    bool is_answered;
    unsigned answer;
    size_t body_size;
    uint64_t body_hash;
};

struct run {
    size_t size;
    bool is_reset;
    bool is_aborted;      // by an answer
    bool ended_by_itself; // before the peer's end
    bool is_raw;
    size_t raw_size; // bytes that came behind an upgrade
    unsigned told_count;
    unsigned ended;
    unsigned refused; // a status that was told, of what was no request
    // What is counted above, and not cleared.
    char output[OUTPUT_MAX];
    struct told told[MODEL_ANSWERS_MAX];
    struct model_answers answers;
};

static struct weir_runtime *runtime;
static struct weir_loop *loop;
static struct weir_http_server *server;
static struct weir_http_prepared *prepared;
static struct run *run; // the one that runs

/* ---- answers, and what they are taken down as ---- */

static const struct weir_http_field answer_field = WEIR_HTTP_FIELD("X-Answer", "yes");

static bool
is_head(const struct told *told)
{
    return strcmp(told->method, "HEAD") == 0;
}

static struct model_answer *
note_answer(struct told *told, unsigned status, bool knows_length)
{
    struct model_answers *answers = &run->answers;
    struct model_answer *answer = &answers->list[answers->count];

    fuzz_require(answers->count < MODEL_ANSWERS_MAX);
    told->answer = answers->count++;
    told->is_answered = true;
    *answer = (struct model_answer){
        .status = status,
        .framing = is_head(told) || status == 204 || status == 304 ? MODEL_NONE
                   : knows_length                                  ? MODEL_LENGTH
                   : told->minor == 0                              ? MODEL_TO_CLOSE
                                                                   : MODEL_CHUNKS,
        .body_at = answers->bodies_size,
        .has_100 = told->reads && (told->flags & WEIR_HTTP_CONTINUE),
    };
    return answer;
}

static void
note_body(struct model_answer *answer, const void *data, size_t size)
{
    struct model_answers *answers = &run->answers;

    fuzz_require(answers->bodies_size + size <= sizeof(answers->bodies));
    memcpy(answers->bodies + answers->bodies_size, data, size);
    answers->bodies_size += size;
    answer->body_size += size;
}

static struct weir_write
text_of(const char *text, struct iovec *iov, unsigned flags)
{
    *iov = (struct iovec){(void *)(uintptr_t)text, strlen(text)};
    return (struct weir_write){.iov = iov, .iov_count = 1, .flags = WEIR_COPY | flags};
}

// An answer is refused when the library has answered: the rest of the request was bad.
static bool
was_taken(int result)
{
    fuzz_require(result == 0 || result == -WEIR_EENDED || result == -WEIR_ESTALE);
    return result == 0;
}

static void
give_up(struct told *told)
{
    run->is_aborted = true;
    fuzz_require(weir_http_abort(told->http) == 0);
}

// Begins an answer; with WEIR_CHUNK_END it is all of it.
static struct model_answer *
begin(struct told *told, unsigned status, uint64_t length, const char *text, unsigned flags)
{
    struct weir_http_head head = {.status = status, .flags = WEIR_HTTP_NO_DATE, .length = length};
    struct model_answer *answer;
    struct iovec iov;
    struct weir_write write = text_of(text, &iov, flags);

    head.flags |= length != 0 ? (unsigned)WEIR_HTTP_HAS_LENGTH : 0;
    if (!was_taken(weir_http_respond(told->http, &head, &write, NULL))) {
        return NULL;
    }
    answer = note_answer(told, status, length != 0 || (flags & WEIR_CHUNK_END));
    note_body(answer, text, strlen(text));
    answer->is_complete = (flags & WEIR_CHUNK_END) != 0;
    return answer;
}

static void
answer_all(struct told *told, unsigned status, const char *text)
{
    begin(told, status, 0, text, WEIR_CHUNK_END);
}

static void
go_on(struct told *told, struct model_answer *answer, const char *text, unsigned flags)
{
    struct iovec iov;
    struct weir_write write = text_of(text, &iov, flags);

    fuzz_require(weir_http_write(told->http, &write, NULL) == 0);
    note_body(answer, text, strlen(text));
    answer->is_complete = (flags & WEIR_CHUNK_END) != 0;
}

static void
answer_in_pieces(struct told *told, uint64_t length)
{
    struct model_answer *answer = begin(told, 200, length, "chunk", 0);

    if (answer != NULL) {
        go_on(told, answer, "", 0);
        go_on(told, answer, "more", 0);
        go_on(told, answer, "", WEIR_CHUNK_END);
    }
}

static void
answer_large(struct told *told)
{
    static char large[LARGE_SIZE];
    struct model_answer *answer = begin(told, 200, 0, "", 0);
    struct iovec iov = {large, sizeof(large)};
    struct weir_write write = {.iov = &iov, .iov_count = 1};

    memset(large, 'b', sizeof(large));
    for (unsigned i = 0; i < 3 && answer != NULL; i++) {
        write.flags = i == 2 ? WEIR_CHUNK_END : 0;
        fuzz_require(weir_http_write(told->http, &write, NULL) == 0);
        note_body(answer, large, sizeof(large));
        answer->is_complete = i == 2;
    }
}

static void
answer_with_trailers(struct told *told)
{
    static const struct weir_http_field last = WEIR_HTTP_FIELD("X-Last", "yes");
    struct model_answer *answer = begin(told, 200, 0, "body", 0);

    if (answer != NULL) {
        bool is_chunked = told->minor == 1 && !is_head(told);

        fuzz_require(weir_http_end(told->http, &last, is_chunked, NULL, NULL) == 0);
        answer->has_trailer = is_chunked;
        answer->is_complete = true;
    }
}

static void
answer_with_interim(struct told *told)
{
    struct weir_http_head head = {.status = 103, .fields = &answer_field, .field_count = 1};
    int result = weir_http_interim(told->http, &head);
    struct model_answer *answer;

    fuzz_require(result == (told->minor == 1 ? 0 : -ENOTSUP));
    answer = begin(told, 200, 0, "now", WEIR_CHUNK_END);
    if (answer != NULL) {
        answer->has_103 = told->minor == 1;
    }
}

static void
answer_produced(struct told *told)
{
    struct model_answer *answer = begin(told, 200, 0, "", 0);
    struct weir_write write = {.flags = WEIR_CHUNK_END};
    struct weir_iter iter;

    if (answer == NULL) {
        return;
    }
    fuzz_require(weir_http_produce(told->http, &iter) == 0);
    fuzz_require(weir_iter_append(&iter, "produced", 8) == 0);
    fuzz_require(weir_http_commit(told->http, iter, &write, NULL) == 0);
    note_body(answer, "produced", 8);
    answer->is_complete = true;
}

// A head that was made before, with the time in it.
static void
answer_prepared(struct told *told)
{
    struct weir_http_head head = {.prepared = prepared};
    struct model_answer *answer;
    struct iovec iov;
    struct weir_write write = text_of("prepared", &iov, WEIR_CHUNK_END);

    if (was_taken(weir_http_respond(told->http, &head, &write, NULL))) {
        answer = note_answer(told, 200, true);
        note_body(answer, "prepared", 8);
        answer->is_complete = true;
    }
}

static void
answer_later(struct weir_loop *here, void *arg)
{
    struct told *told = arg;

    (void)here;
    answer_all(told, 200, "later");
}

/* ---- bodies that are read ---- */

static void
take_body(struct told *told, const struct weir_chain *chain)
{
    struct weir_iter at = weir_chain_begin(chain);
    struct weir_iter end = weir_chain_end(chain);
    struct weir_segment segment;

    while (chain->head != NULL && weir_iter_segment(&at, end, &segment)) {
        told->body_hash = model_hash(told->body_hash, segment.data, segment.size);
        told->body_size += segment.size;
        if (told->is_echoed) {
            note_body(&run->answers.list[told->answer], segment.data, segment.size);
        }
    }
}

static void
echo(struct told *told, struct weir_chain *chain, bool is_end)
{
    struct weir_http_head head = {.status = 200, .flags = WEIR_HTTP_NO_DATE};
    struct model_answers *answers = &run->answers;
    size_t bodies_size = answers->bodies_size;
    struct weir_write write = {.flags = is_end ? WEIR_CHUNK_END : 0};

    write.chain = chain->head != NULL ? chain : NULL;
    if (told->is_echoed) {
        take_body(told, chain);
        if (was_taken(weir_http_write(told->http, &write, NULL))) {
            answers->list[told->answer].is_complete = is_end;
        }
        return;
    }
    told->is_echoed = true;
    note_answer(told, 200, is_end)->is_complete = is_end;
    take_body(told, chain);
    if (!was_taken(weir_http_respond(told->http, &head, &write, NULL))) {
        told->is_echoed = false;
        told->is_answered = false;
        answers->count--;
        answers->bodies_size = bodies_size;
    }
}

static void read_on(struct told *told);

static void
on_read(weir_http http, struct weir_http_read_result *result, void *arg)
{
    struct told *told = arg;

    (void)http;
    told->is_read = result->status == 0 && result->eof;
    if (result->status != 0) {
        weir_chain_return(&result->chain);
        return;
    }
    if (told->target[1] == 'e') {
        echo(told, &result->chain, result->eof);
    } else {
        take_body(told, &result->chain);
    }
    weir_chain_return(&result->chain);
    if (!told->is_read) {
        read_on(told);
    } else if (told->target[1] == 'r') {
        answer_all(told, 200, "read");
    }
}

static void
read_on(struct told *told)
{
    struct weir_http_read read = {
        .size = told->target[1] == 'r' ? 7 : 0, .done = on_read, .arg = told};

    told->reads = true;
    fuzz_require(weir_http_read(told->http, &read, NULL) == 0);
}

/* ---- upgrades ---- */

static struct weir_consumed
on_raw(weir_stream stream, struct weir_iter first, struct weir_iter end, void *user)
{
    struct weir_chain bytes = {NULL, NULL};
    size_t size = 0;

    (void)user;
    weir_iter_length(first, end, &size);
    run->raw_size += size;
    fuzz_require(weir_take(stream, SIZE_MAX, &bytes) == 0);
    fuzz_require(weir_write_chain(stream, &bytes, NULL, NULL) == 0);
    return (struct weir_consumed){0, 0};
}

static void
on_raw_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    fuzz_require(weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0) == 0);
}

static void
upgrade(struct told *told)
{
    static const struct weir_handlers raw = {.data = on_raw, .peer_fin = on_raw_fin};
    static const struct weir_http_field fields[] = {WEIR_HTTP_FIELD("Connection", "Upgrade"),
                                                    WEIR_HTTP_FIELD("Upgrade", "raw")};
    struct weir_http_head head = {
        .status = 101, .flags = WEIR_HTTP_NO_DATE, .fields = fields, .field_count = 2};
    struct model_answer *answer;
    weir_stream stream;
    int result = weir_http_hijack(told->http, &head, &raw, NULL, &stream);

    if (result == -EINVAL) { // a request with a body
        answer_all(told, 200, "no");
        return;
    }
    fuzz_require(result == 0);
    answer = note_answer(told, 101, false);
    answer->is_raw = true;
    answer->is_complete = true;
    run->is_raw = true;
}

/* ---- events ---- */

static void
answer_as_asked(struct told *told)
{
    switch (told->target[0] == '\0' ? 0 : told->target[1]) {
    case 'c':
        answer_in_pieces(told, 0);
        break;
    case 'l':
        answer_in_pieces(told, 9);
        break;
    case 'b':
        answer_large(told);
        break;
    case 's':
        answer_all(told, 204, "");
        break;
    case 'x':
        answer_all(told, 304, "counted, not sent");
        break;
    case 't':
        answer_with_trailers(told);
        break;
    case 'i':
        answer_with_interim(told);
        break;
    case 'p':
        answer_produced(told);
        break;
    case 'q':
        answer_prepared(told);
        break;
    case 'd':
        fuzz_require(weir_http_defer(told->http, NULL) == 0);
        fuzz_require(weir_post(loop, answer_later, told) == 0);
        break;
    case 'e':
    case 'r':
        read_on(told);
        break;
    case 'u':
        upgrade(told);
        break;
    case 'n':
        give_up(told);
        break;
    default:
        answer_all(told, 200, "now");
        break;
    }
}

static uint64_t
hash_of(const struct weir_http_field *fields, unsigned count)
{
    uint64_t hash = MODEL_HASH;

    for (unsigned i = 0; i < count; i++) {
        hash = model_hash(hash, fields[i].name, fields[i].name_size);
        hash = model_hash(hash, fields[i].value, fields[i].value_size);
    }
    return hash;
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    struct told *told = &run->told[run->told_count];

    (void)user;
    fuzz_require(run->told_count < MODEL_ANSWERS_MAX);
    run->told_count++;
    *told = (struct told){
        .http = http,
        .minor = request->minor,
        .fields = request->field_count,
        .fields_hash = hash_of(request->fields, request->field_count),
        .flags = request->flags,
        .body_hash = MODEL_HASH,
    };
    snprintf(told->method, sizeof(told->method), "%.*s", (int)request->method_size,
             request->method);
    snprintf(told->target, sizeof(told->target), "%.*s", (int)request->target_size,
             request->target);
    answer_as_asked(told);
}

static void
on_ended(weir_http http, const struct weir_http_ended *how, void *user)
{
    (void)http;
    (void)how;
    (void)user;
    run->ended++;
}

static void
on_refused(weir_stream stream, unsigned status, void *user)
{
    (void)stream;
    (void)user;
    fuzz_require(run->refused == 0 && status != 0);
    run->refused = status;
}

/* ---- one connection ---- */

static void
start(void)
{
    static const struct weir_http_handlers handlers = {
        .request = on_request, .ended = on_ended, .refused = on_refused};
    const struct weir_http_server_options options = {
        .handlers = &handlers,
        .limits = {.head_max = 1024, .line_max = 256, .fields_max = 16, .body_max = 1024},
    };

    fuzz_require(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &runtime) == 0);
    loop = weir_runtime_loop(runtime, 0);
    fuzz_require(weir_http_server_create(runtime, &options, &server) == 0);
    fuzz_require(
        weir_http_prepare(
            &(struct weir_http_head){.status = 200, .fields = &answer_field, .field_count = 1},
            &prepared) == 0);
}

static void
attach(struct weir_loop *here, void *arg)
{
    (void)here;
    fuzz_require(weir_http_attach(server, *(weir_stream *)arg) == 0);
}

// True: there is no more.
static bool
take_output(int peer)
{
    ssize_t got;

    while ((got = recv(peer, run->output + run->size, sizeof(run->output) - run->size,
                       MSG_DONTWAIT)) > 0) {
        run->size += (size_t)got;
        fuzz_require(run->size < sizeof(run->output));
    }
    run->is_reset |= got < 0 && errno != EAGAIN;
    return got == 0 || (got < 0 && errno != EAGAIN);
}

// Until nothing moves. True: the connection has ended.
static bool
turn(int peer)
{
    bool has_moved = true;
    bool is_over = false;

    for (unsigned i = 0; has_moved; i++) {
        size_t before = run->size;

        fuzz_require(i < TURNS_MAX);
        has_moved = weir_loop_turn(loop, 0) > 0;
        is_over = take_output(peer);
        has_moved |= run->size != before;
    }
    return is_over;
}

// Cut after so many bytes, again and again; 0: never.
static void
feed(int peer, const uint8_t *data, size_t size, size_t cut)
{
    for (size_t at = 0; at < size;) {
        size_t now = cut == 0 || cut > size - at ? size - at : cut;

        if (send(peer, data + at, now, MSG_NOSIGNAL) != (ssize_t)now) {
            break; // it has been refused
        }
        at += now;
        turn(peer);
    }
    run->ended_by_itself = turn(peer);
}

static void
run_once(const uint8_t *data, size_t size, size_t cut, struct run *fresh)
{
    int fds[2];
    weir_stream stream;
    bool is_over;

    memset(fresh, 0, offsetof(struct run, output));
    fresh->answers.count = 0;
    fresh->answers.bodies_size = 0;
    run = fresh;
    fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    fuzz_require(weir_adopt(loop, fds[0], &(struct weir_stream_options){0}, &stream) == 0);
    fuzz_require(weir_post(loop, attach, &stream) == 0);
    turn(fds[1]);
    feed(fds[1], data, size, cut);
    is_over = run->ended_by_itself;
    shutdown(fds[1], SHUT_WR);
    for (unsigned i = 0; !is_over; i++) {
        fuzz_require(i < TURNS_MAX);
        is_over = turn(fds[1]);
    }
    turn(fds[1]);
    close(fds[1]);
    for (unsigned i = 0; weir_http_server_connections(server) != 0; i++) {
        fuzz_require(i < TURNS_MAX);
        weir_loop_turn(loop, 0);
    }
    for (unsigned i = 0; i < TURNS_MAX && weir_loop_turn(loop, 0) > 0; i++) {
    }
    fuzz_require(run->told_count == run->ended);
}

/* ---- what must hold ---- */

static void
check_output(const uint8_t *data, size_t size)
{
    struct model_answers *answers = &run->answers;
    const struct told *last = &run->told[run->told_count == 0 ? 0 : run->told_count - 1];

    answers->ends_with_100 = run->told_count != 0 && last->reads && !last->is_answered &&
                             (last->flags & WEIR_HTTP_CONTINUE);
    model_check_output(answers, run->output, run->size, run->is_reset || run->is_aborted);
    if (answers->has_said_close || answers->refusal != 0) {
        fuzz_require(run->ended_by_itself);
    }
    if (run->refused != 0 && !run->is_reset && !run->is_aborted) {
        fuzz_require(run->refused == answers->refusal);
    }
    if (run->is_raw && !run->is_reset) {
        fuzz_require(run->size - answers->raw_at == run->raw_size);
        fuzz_require(
            memcmp(data + size - run->raw_size, run->output + answers->raw_at, run->raw_size) == 0);
    }
}

// The time goes on between runs that are compared.
static void
blank_dates(struct run *one)
{
    static const char date[] = "\r\nDate: ";

    for (size_t at = 0; at + sizeof(date) + 29 < one->size; at++) {
        if (memcmp(one->output + at, date, sizeof(date) - 1) == 0) {
            memset(one->output + at + sizeof(date) - 1, 'x', 29);
        }
    }
}

static void
check_told(const struct told *told, const struct model_message *message)
{
    fuzz_require(strcmp(told->method, message->method) == 0);
    fuzz_require(strcmp(told->target, message->target) == 0);
    fuzz_require(told->minor == message->minor);
    fuzz_require(told->fields == message->fields && told->fields_hash == message->fields_hash);
    if (told->reads) {
        fuzz_require(told->is_read == (message->body == MODEL_ACCEPT));
        fuzz_require(!told->is_read || (told->body_size == message->body_size &&
                                        told->body_hash == message->body_hash));
    }
}

// Behind this message nothing is sure, or nothing may follow.
static bool
ends_comparison(const struct told *told, const struct model_message *message)
{
    return message->body != MODEL_ACCEPT || message->closes || message->expects ||
           told->target[1] == 'n' || told->target[1] == 'u';
}

// One message after another, as far as the model knows what must be.
static void
check_model(const uint8_t *data, size_t size)
{
    size_t at = 0;

    for (unsigned i = 0;; i++) {
        struct model_message message = model_request((const char *)data + at, size - at);

        if (message.head == MODEL_UNKNOWN) {
            return;
        }
        if (message.head != MODEL_ACCEPT) {
            fuzz_require(run->told_count == i);
            fuzz_require(message.head == MODEL_MORE || run->answers.refusal != 0 || run->is_reset);
            return;
        }
        fuzz_require(run->told_count > i);
        if (message.body == MODEL_UNKNOWN) {
            return;
        }
        check_told(&run->told[i], &message);
        if (message.body == MODEL_REFUSE || message.body == MODEL_MORE) {
            fuzz_require(run->told_count == i + 1);
        }
        if (ends_comparison(&run->told[i], &message)) {
            return;
        }
        at += message.end;
    }
}

// What a reset has thrown away differs; what came before it does not. An echo's pieces are those in
// which its body came; and of two faults that a head has, either may be told.
static void
check_same(const struct run *one, const struct run *other)
{
    bool is_cut = one->is_aborted || one->is_reset || other->is_reset;
    size_t one_size = one->answers.refusal_at;
    size_t other_size = other->answers.refusal_at;
    size_t size = one_size < other_size ? one_size : other_size;
    bool are_same;

    fuzz_require(one->told_count == other->told_count);
    for (unsigned i = 0; i < one->told_count; i++) {
        const struct told *told = &one->told[i];

        fuzz_require(strcmp(told->target, other->told[i].target) == 0);
        fuzz_require(told->fields_hash == other->told[i].fields_hash);
        fuzz_require(told->is_read == other->told[i].is_read);
        fuzz_require(!told->is_read || told->body_hash == other->told[i].body_hash);
        if (told->is_echoed || other->told[i].is_echoed) {
            return;
        }
    }
    fuzz_require(is_cut || (one->answers.refusal == 0) == (other->answers.refusal == 0));
    are_same = (is_cut || one_size == other_size) && memcmp(one->output, other->output, size) == 0;
    if (!are_same) {
        fprintf(stderr, "whole:\n%.*s\ncut:\n%.*s\n", (int)one->size, one->output, (int)other->size,
                other->output);
    }
    fuzz_require(are_same);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole;
    static struct run cut;
    const size_t cuts[] = {1, 2 + size % 7, 13};

    if (size > INPUT_MAX) {
        return 0;
    }
    if (runtime == NULL) {
        start();
    }
    run_once(data, size, 0, &whole);
    check_output(data, size);
    blank_dates(&whole);
    check_model(data, size);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        run_once(data, size, cuts[i], &cut);
        check_output(data, size);
        blank_dates(&cut);
        check_same(&whole, &cut);
    }
    return 0;
}
