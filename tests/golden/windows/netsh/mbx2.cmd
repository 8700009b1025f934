@echo off
rem datapath.exchange: this makes the rules of mbx2. Run it there as an administrator. mbx2-undo.cmd takes it back.
rem Windows Server 2008r2, roles mailbox, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It first saves the whole policy of the firewall as mbx2-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
rem IPsec: kerberos, requested: pairs that both have run it are protected.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0mbx2-before.wfw" (echo mbx2.cmd has run already. Run mbx2-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0mbx2-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0mbx2-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping 42443526" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 security=authenc || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding b5509bd3" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 security=authenc || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mailbox-clustering 0b362d38" dir=in action=allow description="mailbox-clustering" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28 security=authenc || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mailbox-clustering e22b091e" dir=in action=allow description="mailbox-clustering" profile=any protocol=udp localport=3343 remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28 security=authenc || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 0c1db195" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.0/26 || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31 || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc f2088e19" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,192.0.2.141,198.51.100.241-198.51.100.242 || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 3c7e0275" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31,192.0.2.151 || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc accd8ebb" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12,192.0.2.131 || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc a707d5a5" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.41 || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in cluster-ping bcd793fa" dir=in action=allow description="cluster-ping" profile=any protocol=icmpv4:8,any remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28 || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in oab-share-pull 2b512e06" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31,192.0.2.151 || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.31 || (echo DATAPATH-FAILED 17& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 3328003c" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 || (echo DATAPATH-FAILED 18& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 9cadd771" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 || (echo DATAPATH-FAILED 19& exit /b 1)
"%T%\netsh.exe" advfirewall mainmode add rule name="datapath.exchange main 47266a5d" description="key exchange with these peers" endpoint1=192.0.2.22,198.51.100.242 endpoint2=192.0.2.21,198.51.100.241 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb || (echo DATAPATH-FAILED 20& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange clear icmp ba679dd7" description="ICMP" endpoint1=192.0.2.22,198.51.100.242 endpoint2=192.0.2.21,198.51.100.241 action=noauthentication mode=transport profile=any protocol=icmpv4 || (echo DATAPATH-FAILED 21& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange ipsec mailbox-clustering 66c1cc4a" description="mailbox-clustering ccr-scr-log-shipping ccr-scr-seeding recipient-update-rpc system-attendant-as-mapi-client" endpoint1=192.0.2.22,198.51.100.242 endpoint2=192.0.2.21,198.51.100.241 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb || (echo DATAPATH-FAILED 22& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 23& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 24& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 25& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 26& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 27& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 28& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 29& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 30& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 31& exit /b 1)
"%T%\reg.exe" export "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem" "%~dp0mbx2-registry-1.reg" >nul 2>&1
"%T%\reg.exe" export "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters" "%~dp0mbx2-registry-2.reg" >nul 2>&1
"%T%\reg.exe" add "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem" /v "TCP/IP Port" /t REG_DWORD /d "6100" /f || (echo DATAPATH-FAILED 32& exit /b 1)
"%T%\reg.exe" add "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters" /v "TCP/IP Port" /t REG_DWORD /d "6101" /f || (echo DATAPATH-FAILED 33& exit /b 1)
"%T%\reg.exe" add "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters" /v "TCP/IP NSPI Port" /t REG_DWORD /d "6102" /f || (echo DATAPATH-FAILED 34& exit /b 1)
echo Restart MSExchangeSA MSExchangeIS: their ports count from then on.
echo DATAPATH-DONE
exit /b 0
