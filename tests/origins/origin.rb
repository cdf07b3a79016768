# An origin on WEBrick: see README.md beside it.
require "webrick"

ledger = File.open(ENV.fetch("ORIGIN_LEDGER"), "a")
ledger.sync = true
number = ENV.fetch("ORIGIN_NUMBER")

server = WEBrick::HTTPServer.new(
  Port: ENV.fetch("ORIGIN_PORT").to_i,
  BindAddress: "127.0.0.1",
  AccessLog: [],
  Logger: WEBrick::Log.new($stderr, WEBrick::Log::FATAL)
)
server.mount_proc("/") do |request, response|
  id = request["X-Request-Id"].to_s
  ledger.write("#{request.request_method} #{request.path} #{id}\n") unless id.empty?
  _, what, rest = request.path.split("/")
  case what
  when "die"
    # WEBrick answers whatever a handler raises, so the answer itself is told to stay away.
    response.define_singleton_method(:send_response) { |_socket| nil }
    response.keep_alive = false
    next
  when "sleep", "block"
    sleep(rest.to_i / 1000.0)
  end
  request.body if %w[POST PUT].include?(request.request_method)
  response["X-Backend"] = number
  response["X-Request-Id"] = id
  response["Content-Type"] = "text/plain"
  response.body = "#{id}\n"
end
$stdout.puts("listening on http://127.0.0.1:#{server.listeners[0].addr[1]}")
$stdout.flush
trap("TERM") { server.shutdown }
server.start
