/* SPDX-License-Identifier: MPL-2.0
 *
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this file,
 * You can obtain one at http://mozilla.org/MPL/2.0/.
 *
 * SSL_SetSessionTicketKeys() across processes, and with threads: on sockets of
 * the system, as the agents of the other tests are not for either.
 */

#ifndef _WIN32

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pk11pub.h"
#include "private/pprio.h"
#include "secmod.h"
#include "ssl.h"
#include "sslexp.h"
#include "sslproto.h"

extern "C" {
// This is not something that should make you happy.
#include "libssl_internals.h"
}

#include "gtest_utils.h"
#include "nss_scoped_ptrs.h"
#include "tls_connect.h"

extern std::string g_working_dir_path;

namespace nss_test {

static SSLSessionTicketKeyBytes LastingKey(int number) {
  SSLSessionTicketKeyBytes key;
  memset(&key, 1 + number % 200, sizeof(key));
  memcpy(key.name, &number, sizeof(number));
  key.notBefore = number;
  key.notAfter = PR_INT64_MAX;
  return key;
}

static SECStatus TakeAnyCertificate(void*, PRFileDesc*, PRBool, PRBool) {
  return SECSuccess;
}

// Pairs of connected sockets, of which the second is the server's.  The port is
// always the same: NSS's client looks for sessions by it.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    memset(&address_, 0, sizeof(address_));
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(address_);
    sockaddr* address = reinterpret_cast<sockaddr*>(&address_);
    EXPECT_EQ(0, bind(fd_, address, len));
    EXPECT_EQ(0, listen(fd_, 1));
    EXPECT_EQ(0, getsockname(fd_, address, &len));
  }
  ~Listener() { close(fd_); }

  void Connect(int fds[2]) {
    std::lock_guard<std::mutex> one_at_a_time(mutex_);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(0, connect(fds[0], reinterpret_cast<sockaddr*>(&address_),
                         sizeof(address_)));
    fds[1] = accept(fd_, nullptr, nullptr);
    EXPECT_LE(0, fds[1]);
  }

 private:
  std::mutex mutex_;
  int fd_;
  sockaddr_in address_;
};

// The server's certificate, which threads share.
class Identity {
 public:
  explicit Identity(const std::string& name) {
    EXPECT_TRUE(TlsAgent::LoadCertificate(name, &cert_, &key_));
  }
  CERTCertificate* cert() const { return cert_.get(); }
  SECKEYPrivateKey* key() const { return key_.get(); }

 private:
  ScopedCERTCertificate cert_;
  ScopedSECKEYPrivateKey key_;
};

static ScopedPRFileDesc Import(int fd, uint16_t version) {
  PRFileDesc* tcp = PR_ImportTCPSocket(fd);
  SSLVersionRange range = {version, version};
  ScopedPRFileDesc ssl(SSL_ImportFD(nullptr, tcp));
  EXPECT_EQ(SECSuccess, SSL_VersionRangeSet(ssl.get(), &range));
  EXPECT_EQ(SECSuccess,
            SSL_OptionSet(ssl.get(), SSL_ENABLE_SESSION_TICKETS, PR_TRUE));
  return ssl;
}

// One connection: a handshake, and a byte for the client.
static bool Serve(int fd, const Identity& identity, uint16_t version) {
  ScopedPRFileDesc ssl = Import(fd, version);
  return SSL_OptionSet(ssl.get(), SSL_NO_CACHE, PR_TRUE) == SECSuccess &&
         SSL_ConfigServerCert(ssl.get(), identity.cert(), identity.key(),
                              nullptr, 0) == SECSuccess &&
         SSL_ResetHandshake(ssl.get(), PR_TRUE) == SECSuccess &&
         SSL_ForceHandshake(ssl.get()) == SECSuccess &&
         PR_Write(ssl.get(), "!", 1) == 1;
}

enum Outcome { kFailed, kFull, kResumed };

// The session is found again by the name of the server.
static Outcome Request(int fd, const std::string& server, uint16_t version) {
  ScopedPRFileDesc ssl = Import(fd, version);
  SSLChannelInfo info;
  char byte;

  if (SSL_SetURL(ssl.get(), server.c_str()) != SECSuccess ||
      SSL_AuthCertificateHook(ssl.get(), TakeAnyCertificate, nullptr) !=
          SECSuccess ||
      SSL_ResetHandshake(ssl.get(), PR_FALSE) != SECSuccess ||
      SSL_ForceHandshake(ssl.get()) != SECSuccess ||
      PR_Read(ssl.get(), &byte, 1) != 1 ||
      SSL_GetChannelInfo(ssl.get(), &info, sizeof(info)) != SECSuccess) {
    return kFailed;
  }
  return info.resumed ? kResumed : kFull;
}

class TicketKeysProcessTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  void SetUp() override {
    SSL_ConfigServerSessionIDCache(1024, 0, 0, g_working_dir_path.c_str());
    SSL_ClearSessionCache();
  }

  void TearDown() override {
    SSL_SetSessionTicketKeys(nullptr, 0);
    SSL_ClearSessionCache();
    SSLInt_ClearSelfEncryptKey();
    SSL_ShutdownServerSessionIDCache();
  }

  // Connects to a server in a process of its own, which does |prepare| first.
  Outcome ConnectToProcess(const std::string& certificate,
                           std::function<bool()> prepare) {
    int fds[2];
    listener_.Connect(fds);
    pid_t pid = fork();
    if (pid == 0) {
      close(fds[0]);
      _exit(ServeAfterFork(fds[1], certificate, prepare) ? 0 : 1);
    }
    EXPECT_LT(0, pid);
    close(fds[1]);
    Outcome outcome = Request(fds[0], certificate, GetParam());
    int status = -1;
    EXPECT_EQ(pid, waitpid(pid, &status, 0));
    EXPECT_EQ(0, status);
    return outcome;
  }

 protected:
  Listener listener_;

 private:
  // A process that was forked has nothing of NSS's token until it restarts it.
  bool ServeAfterFork(int fd, const std::string& certificate,
                      std::function<bool()> prepare) {
    if (SECMOD_RestartModules(PR_TRUE) != SECSuccess) {
      return false;
    }
    SSL_ShutdownServerSessionIDCache();
    SSLInt_ClearSelfEncryptKey();
    if (!prepare()) {
      return false;
    }
    return Serve(fd, Identity(certificate), GetParam());
  }
};

static bool Nothing() { return true; }

static bool SetKey() {
  SSLSessionTicketKeyBytes key = LastingKey(1);
  return SSL_SetSessionTicketKeyBytes(&key, 1) == SECSuccess;
}

TEST_P(TicketKeysProcessTest, ProcessesWithoutSharedKeysDoNotResume) {
  EXPECT_EQ(kFull, ConnectToProcess("rsa", Nothing));
  EXPECT_EQ(kFull, ConnectToProcess("rsa", Nothing));
}

TEST_P(TicketKeysProcessTest, ProcessesWithSharedKeysResume) {
  for (const char* certificate : {"rsa", "rsa_sign", "ecdsa256"}) {
    EXPECT_EQ(kFull, ConnectToProcess(certificate, SetKey));
    EXPECT_EQ(kResumed, ConnectToProcess(certificate, SetKey));
    EXPECT_EQ(kResumed, ConnectToProcess(certificate, SetKey));
  }
}

TEST_P(TicketKeysProcessTest, OneWithoutThemIsAFullHandshake) {
  EXPECT_EQ(kFull, ConnectToProcess("rsa", SetKey));
  EXPECT_EQ(kFull, ConnectToProcess("rsa", Nothing));
}

TEST_P(TicketKeysProcessTest, KeysAreNotInheritedAndDoNoHarm) {
  ASSERT_TRUE(SetKey());
  EXPECT_EQ(kFull, ConnectToProcess("rsa", Nothing));
  EXPECT_EQ(kFull, ConnectToProcess("rsa", Nothing));
  EXPECT_EQ(kFull, ConnectToProcess("rsa", SetKey));
  EXPECT_EQ(kResumed, ConnectToProcess("rsa", SetKey));
}

class TicketKeyFipsTest : public ::testing::Test {};

// No secret leaves or enters a token in FIPS mode.
static const int kNoFips = 77;

static int SetKeysInFipsMode() {
  ScopedPK11SlotInfo slot;
  SECMODModule* module = SECMOD_GetInternalModule();
  if (SECMOD_RestartModules(PR_TRUE) != SECSuccess || !SetKey()) {
    return 1;
  }
  if (PK11_IsFIPS() ||
      SECMOD_DeleteInternalModule(std::string(module->commonName).c_str()) !=
          SECSuccess ||
      !PK11_IsFIPS()) {
    return kNoFips;
  }
  slot.reset(PK11_GetInternalSlot());
  ScopedPK11SymKey enc(
      PK11_KeyGen(slot.get(), CKM_AES_CBC, nullptr, 32, nullptr));
  ScopedPK11SymKey mac(
      PK11_KeyGen(slot.get(), CKM_SHA256_HMAC, nullptr, 32, nullptr));
  SSLSessionTicketKey handles = {{1}, enc.get(), mac.get(), 1, PR_INT64_MAX};
  bool refused = enc && mac && !SetKey() &&
                 SSL_SetSessionTicketKeys(&handles, 1) == SECFailure &&
                 SSL_SetSessionTicketKeys(nullptr, 0) == SECSuccess;
  return refused ? 0 : 1;
}

TEST_F(TicketKeyFipsTest, KeysCannotBeSet) {
  pid_t pid = fork();
  if (pid == 0) {
    _exit(SetKeysInFipsMode());
  }
  int status = -1;
  EXPECT_EQ(pid, waitpid(pid, &status, 0));
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoFips) {
    GTEST_SKIP() << "this softoken has no FIPS mode";
  }
  EXPECT_EQ(0, WEXITSTATUS(status));
}

INSTANTIATE_TEST_SUITE_P(TicketKeys, TicketKeysProcessTest,
                         ::testing::Values(SSL_LIBRARY_VERSION_TLS_1_2,
                                           SSL_LIBRARY_VERSION_TLS_1_3));

class TicketKeysThreadsTest : public TicketKeysProcessTest {};

// Each pair of threads has sessions of its own.
static void ConnectInAPair(Listener* listener, const Identity& identity,
                           int pair, uint16_t version,
                           std::atomic<int>* outcomes) {
  int fds[2];
  listener->Connect(fds);
  std::atomic<bool> served(false);
  std::thread server([&]() { served = Serve(fds[1], identity, version); });
  Outcome outcome = Request(fds[0], "pair" + std::to_string(pair), version);
  server.join();
  outcomes[served ? outcome : kFailed]++;
}

TEST_P(TicketKeysThreadsTest, KeysAreReplacedUnderHandshakes) {
  const int kPairs = 4;
  const int kConnections = 60;
  const Identity identity("rsa");
  std::atomic<int> outcomes[3] = {{0}, {0}, {0}};
  std::atomic<bool> done(false);
  std::vector<std::thread> pairs;

  ASSERT_TRUE(SetKey());
  std::thread swapper([&]() {
    // The newest two of them, as in a farm; now and then a revocation, and
    // now and then none at all.
    for (int turn = 2; !done; ++turn) {
      SSLSessionTicketKeyBytes keys[2] = {LastingKey(turn),
                                          LastingKey(turn - 1)};
      unsigned int count = turn % 17 == 0 ? 0 : turn % 5 == 0 ? 1 : 2;
      EXPECT_EQ(SECSuccess, SSL_SetSessionTicketKeyBytes(keys, count));
    }
  });
  for (int pair = 0; pair < kPairs; ++pair) {
    pairs.emplace_back([&, pair]() {
      for (int i = 0; i < kConnections; ++i) {
        ConnectInAPair(&listener_, identity, pair, GetParam(), outcomes);
      }
    });
  }
  for (auto& pair : pairs) {
    pair.join();
  }
  done = true;
  swapper.join();
  EXPECT_EQ(0, outcomes[kFailed]);
  EXPECT_EQ(kPairs * kConnections, outcomes[kFull] + outcomes[kResumed]);
}

TEST_P(TicketKeysThreadsTest, RotationsUnderHandshakesLoseNoSession) {
  const int kPairs = 4;
  const int kConnections = 30;
  const Identity identity("rsa");
  std::atomic<int> outcomes[3] = {{0}, {0}, {0}};
  std::atomic<bool> done(false);
  std::vector<std::thread> pairs;
  std::vector<SSLSessionTicketKeyBytes> keys;

  for (int i = 1; i <= SSL_MAX_SESSION_TICKET_KEYS; ++i) {
    keys.push_back(LastingKey(i));
  }
  ASSERT_EQ(SECSuccess, SSL_SetSessionTicketKeyBytes(keys.data(), 1));
  std::thread swapper([&]() {
    // One more of them each time: none is ever taken away.
    for (unsigned int count = 2; !done && count <= keys.size(); ++count) {
      EXPECT_EQ(SECSuccess, SSL_SetSessionTicketKeyBytes(keys.data(), count));
    }
  });
  for (int pair = 0; pair < kPairs; ++pair) {
    pairs.emplace_back([&, pair]() {
      for (int i = 0; i < kConnections; ++i) {
        ConnectInAPair(&listener_, identity, pair, GetParam(), outcomes);
      }
    });
  }
  for (auto& pair : pairs) {
    pair.join();
  }
  done = true;
  swapper.join();
  EXPECT_EQ(0, outcomes[kFailed]);
  EXPECT_EQ(kPairs, outcomes[kFull]);
  EXPECT_EQ(kPairs * (kConnections - 1), outcomes[kResumed]);
}

INSTANTIATE_TEST_SUITE_P(TicketKeys, TicketKeysThreadsTest,
                         ::testing::Values(SSL_LIBRARY_VERSION_TLS_1_2,
                                           SSL_LIBRARY_VERSION_TLS_1_3));

}  // namespace nss_test

#endif  // _WIN32
