// What BoringSSL alone costs: a server reads what a client wrote, TLS 1.3 over memory, no sockets, no NIO. Prints CPU-seconds per
// million spans for the reading side. Benchmarks/Alone/run builds and runs it.
#include <CNIOBoringSSL.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

// Moves what one side wrote to where the other reads.
static void carry(BIO *from, BIO *to) {
    char piece[65536];
    int count;
    while ((count = BIO_read(from, piece, sizeof piece)) > 0) BIO_write(to, piece, count);
}

int main(int argc, char **argv) {
    if (argc != 3) fail("usage: tls CERTIFICATE KEY; that");
    const size_t span = 445, spans = 1024, request = span * spans, requests = 2000;
    SSL_CTX *server_context = SSL_CTX_new(TLS_method());
    SSL_CTX *client_context = SSL_CTX_new(TLS_method());
    if (SSL_CTX_use_certificate_chain_file(server_context, argv[1]) != 1) fail("the certificate");
    if (SSL_CTX_use_PrivateKey_file(server_context, argv[2], SSL_FILETYPE_PEM) != 1) fail("the key");
    SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
    BIO *to_server = BIO_new(BIO_s_mem()), *from_server = BIO_new(BIO_s_mem());
    BIO *to_client = BIO_new(BIO_s_mem()), *from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(server, to_server, from_server);
    SSL_set_bio(client, to_client, from_client);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int turn = 0; turn < 10; turn++) {
        SSL_do_handshake(client);
        carry(from_client, to_server);
        SSL_do_handshake(server);
        carry(from_server, to_client);
    }
    if (!SSL_is_init_finished(server)) fail("the handshake");

    char *body = malloc(request), *read = malloc(request);
    for (size_t i = 0; i < request; i++) body[i] = (char)(i * 2654435761u >> 24);
    double reading = 0;
    for (size_t r = 0; r < requests; r++) {
        // A socket's read is of 256 KiB at most; two of them make a request here.
        for (size_t at = 0; at < request; at += 1 << 18) {
            size_t part = request - at < 1 << 18 ? request - at : 1 << 18;
            if (SSL_write(client, body + at, (int)part) != (int)part) fail("writing");
            carry(from_client, to_server);
            double begin = cpu();
            size_t got = 0;
            while (got < part) {
                int count = SSL_read(server, read + got, (int)(part - got));
                if (count <= 0) fail("reading");
                got += (size_t)count;
            }
            reading += cpu() - begin;
        }
    }
    printf("%s, %s: %.3f CPU-seconds per million spans of %zu bytes (%.2f GB/s)\n", SSL_get_version(server),
           SSL_CIPHER_get_name(SSL_get_current_cipher(server)),
           reading * 1e6 / (double)(spans * requests), span, (double)(request * requests) / reading / 1e9);
    return 0;
}
