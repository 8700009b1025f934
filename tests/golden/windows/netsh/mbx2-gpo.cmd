@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of mbx2.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: mbx2-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: mbx2-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx2.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec mailbox-clustering 66c1cc4a"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall consec delete rule name="datapath.exchange clear icmp ba679dd7"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall mainmode delete rule name="datapath.exchange main 47266a5d"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 9cadd771"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 3328003c"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 2b512e06"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in cluster-ping bcd793fa"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc a707d5a5"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc accd8ebb"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 3c7e0275"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc f2088e19"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 4d167899"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 0c1db195"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mailbox-clustering e22b091e"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mailbox-clustering 0b362d38"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding b5509bd3"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping 42443526"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx2.netsh" >nul 2>&1
>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping 42443526" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 security=authenc
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding b5509bd3" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 security=authenc
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in mailbox-clustering 0b362d38" dir=in action=allow description="mailbox-clustering" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28 security=authenc
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in mailbox-clustering e22b091e" dir=in action=allow description="mailbox-clustering" profile=any protocol=udp localport=3343 remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28 security=authenc
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 0c1db195" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.0/26
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc f2088e19" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,192.0.2.141,198.51.100.241-198.51.100.242
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 3c7e0275" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc accd8ebb" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12,192.0.2.131
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc a707d5a5" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.41
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in cluster-ping bcd793fa" dir=in action=allow description="cluster-ping" profile=any protocol=icmpv4:8,any remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in oab-share-pull 2b512e06" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.31
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 3328003c" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 9cadd771" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall mainmode add rule name="datapath.exchange main 47266a5d" description="key exchange with these peers" endpoint1=192.0.2.22,198.51.100.242 endpoint2=192.0.2.21,198.51.100.241 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall consec add rule name="datapath.exchange clear icmp ba679dd7" description="ICMP" endpoint1=192.0.2.22,198.51.100.242 endpoint2=192.0.2.21,198.51.100.241 action=noauthentication mode=transport profile=any protocol=icmpv4
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec mailbox-clustering 66c1cc4a" description="mailbox-clustering ccr-scr-log-shipping ccr-scr-seeding recipient-update-rpc system-attendant-as-mapi-client" endpoint1=192.0.2.22,198.51.100.242 endpoint2=192.0.2.21,198.51.100.241 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx2.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx2.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-mbx2.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
