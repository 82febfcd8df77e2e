/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_ASIO_HPP
#define BENCH_WRITERS_ASIO_HPP

// Writes from foreign threads on asio: each is posted to the one thread that runs the context,
// which keeps a queue for each connection.
//
//   usual    one async_write for each write
//   gather   one async_write for all that a connection has waiting

#define ASIO_STANDALONE
#include "lib/fail.h"
#include "lib/net.h"
#include "lib/writers.h"

#include <asio.hpp>
#include <cstring>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace
{

using asio::ip::tcp;

class Connection
{
  public:
    Connection(asio::io_context &context, int fd, bool is_gathering)
        : socket_(context, tcp::v4(), fd), is_gathering_(is_gathering)
    {
    }

    void append(bench_write *write)
    {
        queue_.push_back(write);
        if (in_flight_ == 0) {
            flush();
        }
    }

  private:
    void flush()
    {
        in_flight_ = is_gathering_ ? queue_.size() : 1;
        buffers_.clear();
        for (std::size_t i = 0; i < in_flight_; i++) {
            buffers_.push_back(asio::buffer(queue_[i]->data, queue_[i]->size));
        }
        asio::async_write(socket_, buffers_, [this](std::error_code error, std::size_t) {
            bench_require(!error, "async_write");
            finish();
        });
    }

    void finish()
    {
        for (; in_flight_ > 0; in_flight_--) {
            bench_write *done = queue_.front();

            queue_.pop_front();
            bench_write_done(done);
        }
        if (!queue_.empty()) {
            flush();
        }
    }

    tcp::socket socket_;
    bool is_gathering_;
    std::size_t in_flight_ = 0; // the first of the queue
    std::deque<bench_write *> queue_;
    std::vector<asio::const_buffer> buffers_;
};

class Writer
{
  public:
    explicit Writer(const bench_target &target)
        : context_(1), work_(asio::make_work_guard(context_))
    {
        bool is_gathering = std::strcmp(target.variant, "gather") == 0;

        for (unsigned i = 0; i < target.connections; i++) {
            connections_.push_back(
                std::make_unique<Connection>(context_, bench_connect(target.port), is_gathering));
        }
        thread_ = std::thread([this] { context_.run(); });
    }

    ~Writer()
    {
        work_.reset();
        thread_.join();
    }

    void submit(bench_write *write)
    {
        Connection *connection = connections_[write->connection].get();

        asio::post(context_, [connection, write] { connection->append(write); });
    }

  private:
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::thread thread_;
};

std::unique_ptr<Writer> writer;

void
asio_open(const bench_target *target)
{
    writer = std::make_unique<Writer>(*target);
}

void
asio_close()
{
    writer.reset();
}

void
asio_submit(bench_write *write)
{
    writer->submit(write);
}

const char *const style_names[] = {"usual", "gather", nullptr};

const bench_backend asio_backend = {
    "asio",  "style", style_names, sizeof(bench_write), asio_open, asio_close, asio_submit,
    nullptr, nullptr, nullptr,
};

} // namespace

#endif /* BENCH_WRITERS_ASIO_HPP */
