/* SPDX-License-Identifier: MIT */
// Echo server on asio: a shared session per connection, async_read_some and async_write.

#define ASIO_STANDALONE
#include "lib/net.h"
#include "lib/server.h"

#include <asio.hpp>
#include <csignal>
#include <memory>
#include <vector>

using asio::ip::tcp;

namespace
{

class Session : public std::enable_shared_from_this<Session>
{
  public:
    explicit Session(tcp::socket socket)
        : socket_(std::move(socket)), buffer_(bench_server_buffer_size())
    {
        socket_.set_option(tcp::no_delay(true));
    }

    void read()
    {
        auto self = shared_from_this();
        socket_.async_read_some(asio::buffer(buffer_),
                                [self](std::error_code error, std::size_t size) {
                                    if (!error) {
                                        self->write(size);
                                    }
                                });
    }

  private:
    void write(std::size_t size)
    {
        auto self = shared_from_this();
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self](std::error_code error, std::size_t) {
                              if (!error) {
                                  self->read();
                              }
                          });
    }

    tcp::socket socket_;
    std::vector<char> buffer_;
};

void
accept_next(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](std::error_code error, tcp::socket socket) {
        if (!error) {
            std::make_shared<Session>(std::move(socket))->read();
        }
        accept_next(acceptor);
    });
}

} // namespace

int
main(int argc, char **argv)
{
    bench_server_begin(argc, argv);
    asio::io_context context(1);
    asio::signal_set term(context, SIGTERM);
    term.async_wait([&context](std::error_code, int) { context.stop(); });

    tcp::acceptor acceptor(context);
    acceptor.assign(tcp::v4(), bench_listen());
    accept_next(acceptor);
    bench_server_ready(acceptor.local_endpoint().port());

    context.run();
    bench_server_report();
    return 0;
}
